"""The propagators as functions, and their place in OpenTelemetry's global one."""

import os
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.instrumentation.asgi import asgi_getter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tollway.tracing.propagation import (
    BaggagePropagator,
    TraceContextPropagator,
    W3CTraceState,
    extract_trace_context,
    install,
    trace_context_headers,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

propagator = TraceContextPropagator()

span_contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.just(False),
    st.integers(0, 255).map(TraceFlags),
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,9}", fullmatch=True),
            st.from_regex(r"[ -+\--<>-~]{0,9}[!-+\--<>-~]", fullmatch=True),
        ),
        max_size=32,
        unique_by=lambda pair: pair[0],
    ).map(W3CTraceState),
)


def remote(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


def holding(context: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


@given(span_contexts)
def test_what_is_injected_is_extracted(sent):
    """Ids, the sampled and the random flag and the whole list arrive; other flags are zeroed."""
    carrier: dict[str, str] = {}
    propagator.inject(carrier, holding(sent))

    received = remote(propagator.extract(carrier))

    assert (sent.trace_id, sent.span_id) == (received.trace_id, received.span_id)
    assert sent.trace_flags & 0x03 == received.trace_flags
    assert list(sent.trace_state.items()) == list(received.trace_state.items())
    assert received.is_remote
    assert carrier["traceparent"].endswith(f"-{sent.trace_flags & 0x03:02x}")


@given(span_contexts)
def test_the_fast_functions_do_what_the_propagator_does(sent):
    carrier: dict[str, str] = {}
    propagator.inject(carrier, holding(sent))

    assert tuple(carrier.items()) == trace_context_headers(holding(sent))
    pairs = [(name.encode(), value.encode()) for name, value in carrier.items()]
    assert remote(propagator.extract(carrier)) == remote(extract_trace_context(pairs))


parents = st.sampled_from([PARENT, OTHER, "cc-" + PARENT[3:] + "-x", "ff" + PARENT[2:], ""]) | st.text(
    max_size=60
)


@given(
    st.lists(
        st.tuples(st.just("traceparent"), parents)
        | st.tuples(st.just("tracestate"), st.text(max_size=20) | st.sampled_from(["a=1", "b=2"]))
        | st.tuples(st.just("host"), st.just("x")),
        max_size=4,
    )
)
@example([("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")])
def test_no_header_breaks_the_receiver(headers):
    """Whatever arrives, both ways of reading it agree and raise nothing."""
    headers = [(name, value.encode("latin-1", "replace")) for name, value in headers]
    carrier: dict[str, list[str]] = {}
    for name, value in headers:
        carrier.setdefault(name, []).append(value.decode("latin-1"))

    expected = remote(propagator.extract(carrier))

    assert expected == remote(extract_trace_context([(name.encode(), value) for name, value in headers]))


def test_a_comma_makes_two_of_a_traceparent():
    """Proxies and some header classes join several headers of one name, whatever their version."""
    for joined in (f"{PARENT},{OTHER}", f"{PARENT}, {PARENT}", f"cc{PARENT[2:]}-x,cc{OTHER[2:]}-y"):
        assert not remote(propagator.extract({"traceparent": joined})).is_valid


def test_the_same_traceparent_twice_is_still_twice():
    assert not remote(propagator.extract({"traceparent": [PARENT, PARENT]})).is_valid


def test_a_restart_keeps_what_the_context_had():
    """The propagators' specification: what cannot be parsed stores nothing."""
    before = holding(SpanContext(1, 2, False))

    assert before is propagator.extract({"traceparent": "00-x", "tracestate": "a=1"}, before)


def test_a_newline_ends_no_traceparent():
    """OTel's own takes it: `$` also matches before a last newline."""
    assert not remote(propagator.extract({"traceparent": PARENT + "\n"})).is_valid


def test_the_stock_asgi_getter_is_seen_to_have_two():
    """It hands the propagator a list, of which OTel's own takes the first."""
    twice = [(b"traceparent", PARENT.encode()), (b"traceparent", OTHER.encode())]

    assert not remote(propagator.extract({"headers": twice}, getter=asgi_getter)).is_valid
    assert remote(propagator.extract({"headers": twice[:1]}, getter=asgi_getter)).is_valid


class _Sloppy(Getter[dict]):
    """Gives what it finds, as many getters do."""

    def get(self, carrier, key):
        return carrier.get(key)

    def keys(self, carrier):
        return list(carrier)


@pytest.mark.parametrize("value", [PARENT, (PARENT,), iter([PARENT])])
def test_a_getter_may_give_any_iterable_or_a_bare_string(value):
    assert remote(propagator.extract({"traceparent": value}, getter=_Sloppy())).is_valid


@pytest.mark.parametrize("value", [[PARENT.encode()], [None], [1], PARENT.encode(), []])
def test_what_is_no_text_restarts_the_trace(value):
    assert not remote(propagator.extract({"traceparent": value}, getter=_Sloppy())).is_valid


def test_without_a_span_nothing_is_injected():
    carrier: dict[str, str] = {}

    propagator.inject(carrier, Context())

    assert {} == carrier
    assert () == trace_context_headers(Context())
    assert {"traceparent", "tracestate"} == propagator.fields


def test_all_baggage_headers_are_read():
    """https://www.w3.org/TR/baggage/#header-content: several headers are one list."""
    context = BaggagePropagator().extract({"baggage": ["a=1,b=two%20words", "c=3;ttl=1"]})

    assert {"a": "1", "b": "two words", "c": "3;ttl=1"} == baggage.get_all(context)


def test_baggage_is_encoded_by_percent():
    """Others read a `+` as a plus."""
    carrier: dict[str, str] = {}

    BaggagePropagator().inject(carrier, baggage.set_baggage("k", "a b+c,ü", Context()))

    assert {"baggage": "k=a%20b%2Bc%2C%C3%BC"} == carrier
    assert "a b+c,ü" == baggage.get_baggage("k", BaggagePropagator().extract(carrier))


def test_too_much_baggage_is_not_sent():
    """https://www.w3.org/TR/baggage/#limits: whole members only, 8,192 bytes and 180 of them."""
    context = Context()
    for n in range(200):
        context = baggage.set_baggage(f"key{n}", "v" * 40, context)
    carrier: dict[str, str] = {}

    BaggagePropagator().inject(carrier, context)

    assert len(carrier["baggage"]) <= 8192
    assert 100 < len(baggage.get_all(BaggagePropagator().extract(carrier))) <= 180


class _B3(TextMapPropagator):
    """Stands for any propagator that is not ours."""

    def extract(self, carrier, context=None, getter=None):
        return context

    def inject(self, carrier, context=None, setter=None):
        carrier["b3"] = "1"

    @property
    def fields(self):
        return {"b3"}


@pytest.fixture
def global_textmap():
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("global_textmap")
@pytest.mark.parametrize(
    ("named", "installed"),
    [
        (
            CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
            [TraceContextPropagator, BaggagePropagator],
        ),
        (
            CompositePropagator([_B3(), CompositePropagator([TraceContextTextMapPropagator()])]),
            [_B3, [TraceContextPropagator]],
        ),
        (CompositePropagator([_B3()]), [_B3]),
        (CompositePropagator([]), []),
        (TraceContextTextMapPropagator(), TraceContextPropagator),
        (_B3(), _B3),
    ],
)
def test_install_replaces_the_stock_propagators_where_they_stand(named, installed):
    """`OTEL_PROPAGATORS`, or a program, names them; others stay, in their order. Twice is as once."""
    propagate.set_global_textmap(named)

    install()
    install()

    assert installed == _types(propagate.get_global_textmap())


def _types(propagator):
    if type(propagator) is CompositePropagator:
        return [_types(part) for part in propagator._propagators]
    return type(propagator)


@pytest.mark.parametrize(
    ("named", "fields"),
    [
        ("", ["baggage", "traceparent", "tracestate"]),
        ("tracecontext,baggage", ["baggage", "traceparent", "tracestate"]),
        ("tracecontext", ["traceparent", "tracestate"]),
        ("none", []),
    ],
)
def test_the_environment_names_what_is_propagated(named, fields):
    """OTEL_PROPAGATORS; OpenTelemetry reads it when it is imported."""
    script = (
        "from opentelemetry.propagate import get_global_textmap as current\n"
        "from tollway.tracing.propagation import install\n"
        "install()\n"
        "print(*sorted(current().fields), *{type(part).__module__ for part in current()._propagators})"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "OTEL_PROPAGATORS": named},
        capture_output=True,
        text=True,
        check=True,
    )

    ours = ["tollway.tracing.propagation._propagator"] if fields else []
    assert [*fields, *ours] == answer.stdout.split()
