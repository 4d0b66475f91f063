"""What reading headers costs grows no faster than they do, whatever callers put into them."""

import pytest
from opentelemetry import baggage
from opentelemetry.context import Context

from support.growth import growth
from support.w3c_rules import PARENT, TRACE, VALID
from tollway.tracing.propagation import W3CTraceState, extract, extract_trace_context

LATER = f"01-{TRACE}-{PARENT}-01"

HOSTILE = {
    "traceparent: white space, and a comma": lambda n: [("traceparent", f"{LATER}-{' ' * n},")],
    "traceparent: white space in a later version": lambda n: [("traceparent", f"{LATER}-x{' ' * n}x")],
    "traceparent: white space in version 00": lambda n: [("traceparent", f"{VALID}{' ' * n}x")],
    "traceparent: white space first": lambda n: [("traceparent", f"{' ' * n}x")],
    "traceparent: digits": lambda n: [("traceparent", "0" * n)],
    "tracestate: commas": lambda n: [("traceparent", VALID), ("tracestate", "," * n)],
    "tracestate: white space in a value": lambda n: [
        ("traceparent", VALID),
        ("tracestate", f"a=b{' ' * n}c"),
    ],
    "tracestate: white space in a member": lambda n: [
        ("traceparent", VALID),
        ("tracestate", f"a={' ' * n}\t"),
    ],
    "tracestate: one long key": lambda n: [("traceparent", VALID), ("tracestate", "a" * n)],
    "tracestate: one key again and again": lambda n: [("traceparent", VALID), ("tracestate", "a=1," * n)],
    "tracestate: many headers": lambda n: [("traceparent", VALID), *[("tracestate", "a=1")] * n],
    "baggage: white space": lambda n: [("baggage", f"a=b{' ' * n}c")],
    "baggage: tabs around nothing": lambda n: [("baggage", f"{chr(9) * n}x")],
    "baggage: commas": lambda n: [("baggage", "," * n)],
    "baggage: members": lambda n: [("baggage", "a=b," * n)],
    "baggage: properties": lambda n: [("baggage", f"a=b{';a' * n}")],
    "baggage: white space in properties": lambda n: [("baggage", f"a=b;{' ' * n}a{' ' * n}")],
    "baggage: percent signs": lambda n: [("baggage", f"a={'%' * n}")],
    "baggage: many headers": lambda n: [("baggage", "a=b")] * n,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_reading_takes_linear_time(case):
    """Beyond the limits nothing is read at all; up to them, eight times the text costs eight times."""
    assert growth(lambda n: extract(HOSTILE[case](n)), 1_000) < 24
    assert growth(lambda n: extract(HOSTILE[case](n)), 8_000) < 24


@pytest.mark.parametrize("case", HOSTILE)
def test_the_fast_function_takes_linear_time(case):
    def read(n: int) -> Context:
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in HOSTILE[case](n)]
        return extract_trace_context(pairs)

    assert growth(read, 8_000) < 24


def test_longer_headers_are_not_read():
    """Bounds first: what is longer than any honest list costs its length, and no more."""
    assert not W3CTraceState.from_header(["a=1", "," * 32_768])
    assert W3CTraceState.from_header(["a=1", "," * 32_760])
    assert {} == baggage.get_all(extract({"baggage": f"a=b{',' * 8_192}"}))
    assert {"a": "b"} == baggage.get_all(extract({"baggage": f"a=b{',' * 8_000}"}))


@pytest.mark.parametrize("header", ["a=b c", "a b=c", "=b", "a", "a=é", f"a={'b' * 4_096}", "a=b;=c"])
def test_a_baggage_member_that_breaks_the_grammar_costs_only_itself(header, caplog):
    """And fills no log: https://www.w3.org/TR/baggage/#definition."""
    assert {"x": "1", "y": "2"} == baggage.get_all(extract({"baggage": f"x=1,{header},y=2"}))
    assert [] == caplog.records
