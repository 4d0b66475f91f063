"""Trace context in and out of the data plane; the rules themselves are tested in `tollway-tracing`."""

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext

from tollway.gateway.telemetry.propagation import extract, inject

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"


def span_of(context: Context) -> SpanContext:
    return trace.get_current_span(context).get_span_context()


def test_the_callers_trace_goes_on_upstream_with_its_tracestate():
    caller = extract(
        [(b"traceparent", TRACEPARENT), (b"host", b"x"), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    )

    assert b"traceparent: %b\r\ntracestate: a=1,b=2\r\n" % TRACEPARENT == inject(span_of(caller))


def test_two_traceparents_restart_the_trace():
    """OTel's own propagator takes one of them."""
    assert {} == extract(
        [(b"traceparent", TRACEPARENT), (b"traceparent", TRACEPARENT), (b"tracestate", b"a=1")]
    )


def test_without_a_caller_the_servers_own_span_is_no_parent():
    with trace.use_span(NonRecordingSpan(SpanContext(1, 2, False))):
        assert {} == extract([(b"host", b"x")])


def test_baggage_stays_here():
    """The caller's baggage is not for the model's maker."""
    caller = extract([(b"traceparent", TRACEPARENT), (b"baggage", b"user=1")])

    assert {} == baggage.get_all(caller)
    assert b"traceparent: %b\r\n" % TRACEPARENT == inject(span_of(caller))
