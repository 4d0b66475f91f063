"""`inject` and `extract` on what clients, servers and people hold headers in."""

from email.message import Message

import httpx
import pytest
import requests
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from requests.structures import CaseInsensitiveDict
from starlette.datastructures import Headers, MutableHeaders

from tollway.tracing.propagation import W3CTraceState, extract, inject

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PAIRS = [("Traceparent", PARENT), ("tracestate", "a=1"), ("Tracestate", "b=2"), ("BAGGAGE", "k=v")]
RAW = [(name.lower().encode(), value.encode()) for name, value in PAIRS]

SENT = SpanContext(0xABC, 0xDEF, False, TraceFlags(3), W3CTraceState([("ot", "th:8")]))
CONTEXT = trace.set_span_in_context(NonRecordingSpan(SENT), Context())


def message(pairs):
    """`http.client` and `urllib` keep headers in a message."""
    headers = Message()
    for name, value in pairs:
        headers[name] = value
    return headers


def remote(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


@pytest.mark.parametrize(
    "carrier",
    [
        PAIRS,
        tuple(PAIRS),
        iter(PAIRS),
        RAW,
        [list(pair) for pair in RAW],
        {"TRACEPARENT": PARENT, "TraceState": ["a=1", "b=2"], "baggage": "k=v"},
        {b"traceparent": PARENT.encode(), b"tracestate": [b"a=1", b"b=2"], b"baggage": b"k=v"},
        httpx.Headers(PAIRS),
        CaseInsensitiveDict({"Traceparent": PARENT, "Tracestate": "a=1, b=2", "Baggage": "k=v"}),
        requests.Request(
            "GET", "http://x", {"Traceparent": PARENT, "tracestate": "a=1,b=2", "Baggage": "k=v"}
        )
        .prepare()
        .headers,
        Headers(raw=RAW),
        message(PAIRS),
    ],
    ids=lambda carrier: type(carrier).__name__,
)
def test_every_kind_of_headers_is_read(carrier):
    """Names in any case, several headers of one name in order."""
    context = extract(carrier)

    assert "0af7651916cd43dd8448eb211c80319c" == f"{remote(context).trace_id:032x}"
    assert "a=1,b=2" == remote(context).trace_state.to_header()
    assert {"k": "v"} == baggage.get_all(context)


@pytest.mark.parametrize(
    "make",
    [
        list,
        lambda pairs: [(name.encode(), value.encode()) for name, value in pairs],
        dict,
        httpx.Headers,
        lambda pairs: Headers(raw=[(name.lower().encode(), value.encode()) for name, value in pairs]),
        message,
    ],
)
def test_two_traceparents_are_seen_as_two(make):
    """Header objects tend to give the first, or to join them; either would hide the second."""
    carrier = make([("traceparent", PARENT), ("Traceparent", OTHER), ("tracestate", "a=1")])

    assert not remote(extract(carrier)).is_valid


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"Traceparent": OTHER, "TRACESTATE": "old=1", "Accept": "*/*"},
        {b"Traceparent": OTHER.encode(), b"tracestate": b"old=1"},
        [],
        [("Traceparent", OTHER), ("Tracestate", "old=1"), ("tracestate", "older=1")],
        [(b"traceparent", OTHER.encode()), (b"tracestate", b"old=1")],
        httpx.Headers([("traceparent", OTHER), ("tracestate", "old=1"), ("tracestate", "older=1")]),
        CaseInsensitiveDict({"TraceParent": OTHER, "tracestate": "old=1"}),
        MutableHeaders(
            raw=[(b"traceparent", OTHER.encode()), (b"tracestate", b"old=1"), (b"tracestate", b"o=1")]
        ),
        message([("Traceparent", OTHER), ("tracestate", "old=1"), ("Tracestate", "older=1")]),
    ],
    ids=lambda carrier: type(carrier).__name__,
)
def test_every_kind_of_headers_is_written(carrier):
    """The headers of an earlier trace go, in whatever case they are, and the rest stays."""
    others = "Accept" in carrier

    inject(carrier, CONTEXT)

    received = remote(extract(carrier))
    assert (SENT.trace_id, SENT.span_id, SENT.trace_flags) == (*received[:2], received.trace_flags)
    assert "ot=th:8" == received.trace_state.to_header()
    assert others == ("Accept" in carrier)


def test_a_list_of_bytes_stays_one():
    carrier = [(b"accept", b"*/*"), (b"TRACESTATE", b"old=1")]

    inject(carrier, CONTEXT)

    traceparent = b"00-00000000000000000000000000000abc-0000000000000def-03"
    assert [(b"accept", b"*/*"), (b"traceparent", traceparent), (b"tracestate", b"ot=th:8")] == carrier


def test_an_old_tracestate_goes_with_its_traceparent():
    """It may be one that was refused on its way in."""
    carrier = {"traceparent": OTHER, "tracestate": "old=1"}

    inject(carrier, trace.set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False)), Context()))

    assert {"traceparent": "00-00000000000000000000000000000001-0000000000000002-00"} == carrier


def test_without_a_span_headers_pass_through():
    """Who only forwards a request forwards its trace: https://www.w3.org/TR/trace-context-2/#mutating-the-traceparent-field."""
    carrier = {"traceparent": PARENT, "tracestate": "a=1"}

    inject(carrier, baggage.set_baggage("k", "v", Context()))

    assert {"traceparent": PARENT, "tracestate": "a=1", "baggage": "k=v"} == carrier


@pytest.mark.parametrize("carrier", [(), Headers({})], ids=lambda carrier: type(carrier).__name__)
def test_headers_that_cannot_change_are_refused(carrier):
    with pytest.raises(TypeError, match="cannot inject"):
        inject(carrier, CONTEXT)


def test_extract_starts_from_nothing_or_from_the_context_given():
    """Never from the surrounding context, which is the server's own."""
    given = baggage.set_baggage("mine", "1", Context())
    with trace.use_span(NonRecordingSpan(SENT)):
        assert {} == extract({})
    assert {"mine": "1", "k": "v"} == baggage.get_all(extract({"baggage": "k=v"}, given))
