"""Our provider stands wherever the SDK's may stand: same arguments, same samplers, same processors, same
spans.
"""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    SpanLimits,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    sampling,
)
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)

from tollway.tracing import RatioSlowSampler, TracerProvider
from tollway.tracing.testing import CountingIds

PROVIDERS = [SDKTracerProvider, TracerProvider]


class DropsChildren(Sampler):
    """Decides by the name, adds an attribute and changes the tracestate."""

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        if name == "child":
            return SamplingResult(Decision.DROP)
        state = trace.TraceState([("vendor", name)])
        return SamplingResult(Decision.RECORD_AND_SAMPLE, {**(attributes or {}), "sampler": "mine"}, state)

    def get_description(self):
        return "drops children"


SAMPLERS = {
    "none": None,
    "always on": ALWAYS_ON,
    "always off": ALWAYS_OFF,
    "default off": DEFAULT_OFF,
    "ratio": TraceIdRatioBased(0.5),
    "parent based": ParentBased(TraceIdRatioBased(0.5)),
    "custom": DropsChildren(),
}
if hasattr(sampling, "AlwaysRecordSampler"):  # since OpenTelemetry 1.45
    SAMPLERS["always record"] = sampling.AlwaysRecordSampler(ALWAYS_OFF)


def seen(spans):
    """Return what an exporter can tell of spans, times aside."""
    return [
        (
            span.name,
            span.kind,
            tuple(span.context)[:5],
            None if span.parent is None else tuple(span.parent)[:5],
            dict(span.attributes),
            [(event.name, dict(event.attributes)) for event in span.events],
            [(tuple(link.context)[:5], dict(link.attributes)) for link in span.links],
            (span.status.status_code, span.status.description),
            span.dropped_events,
            dict(span.resource.attributes),
            span.instrumentation_scope,
            span.end_time >= span.start_time,
        )
        for span in spans
    ]


def run(make, program, **arguments):
    """Run a program on a provider, and return what its exporter saw and what `is_recording` said."""
    exporter = InMemorySpanExporter()
    provider = make(
        resource=Resource({"service.name": "shop"}),
        shutdown_on_exit=False,
        id_generator=CountingIds(),
        span_limits=SpanLimits(max_events=2),
        **arguments,
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib", "1", "https://schema")
    recording = [play(tracer, step) for step in program]
    provider.shutdown()
    return seen(exporter.get_finished_spans()), recording


def play(tracer, step, depth=0):
    """Make one span as a step says, and its children inside it."""
    name, kind, attributes, events, status, children = step
    with tracer.start_as_current_span(name, kind=kind, attributes=attributes) as span:
        recording = [span.is_recording(), span.get_span_context().trace_flags]
        for event, items in events:
            span.add_event(event, items)
        span.set_status(*status)
        recording += [play(tracer, child, depth + 1) for child in children]
    return recording


STATUSES = st.sampled_from(
    [
        (trace.StatusCode.UNSET,),
        (trace.StatusCode.OK,),
        (trace.StatusCode.ERROR, "why"),
        (trace.StatusCode.ERROR,),
    ]
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from("abc"),
    st.text(max_size=3) | st.integers(-9, 9) | st.lists(st.booleans(), max_size=2),
    max_size=3,
)


def steps(children):
    return st.tuples(
        st.sampled_from(["s", "child"]),
        st.sampled_from(trace.SpanKind),
        ATTRIBUTES,
        st.lists(st.tuples(st.sampled_from(["e", "f"]), ATTRIBUTES), max_size=3),
        STATUSES,
        children,
    )


PROGRAMS = st.lists(
    st.recursive(steps(st.just([])), lambda inner: steps(st.lists(inner, max_size=2)), max_leaves=6),
    max_size=3,
)


@pytest.mark.parametrize("sampler", SAMPLERS)
@settings(deadline=None)  # a pause of the machine is no failure
@given(program=PROGRAMS)
def test_any_program_looks_the_same_as_on_the_sdks(sampler, program):
    """With any sampler of the SDK an exporter sees the same spans, and the program the same contexts."""
    given_sampler = SAMPLERS[sampler]
    assert run(SDKTracerProvider, program, sampler=given_sampler) == run(
        TracerProvider, program, sampler=given_sampler
    )


@pytest.mark.parametrize(
    "name", ["always_on", "always_off", "traceidratio", "parentbased_traceidratio", "nonsense"]
)
def test_the_environment_chooses_the_sampler(monkeypatch, name):
    """As the specification says, and as the SDK reads it."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    described = [make(shutdown_on_exit=False).sampler.get_description() for make in PROVIDERS]
    assert described[0] == described[1]


def test_a_disabled_sdk_makes_no_spans(monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    provider = TracerProvider(shutdown_on_exit=False)
    assert isinstance(provider.get_tracer("t"), trace.NoOpTracer)


def test_the_same_scope_has_the_same_tracer():
    provider = TracerProvider(shutdown_on_exit=False)
    assert provider.get_tracer("a", "1") is provider.get_tracer("a", "1")
    assert provider.get_tracer("a", "1") is not provider.get_tracer("a", "2")


def test_resource_attributes_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=ml,service.name=shop")
    attributes = TracerProvider(shutdown_on_exit=False).resource.attributes
    assert ("ml", "shop") == (attributes["team"], attributes["service.name"])


class Witness(SpanProcessor):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def on_start(self, span, parent_context=None):
        span.set_attribute("started", True)
        self.told.append(("start", span.name, parent_context))

    def _on_ending(self, span):
        span.set_attribute("ending", True)
        self.told.append(("ending", span.name))

    def on_end(self, span):
        self.told.append(("end", span.name, dict(span.attributes)))

    def shutdown(self):
        self.told.append(("shutdown",))

    def force_flush(self, timeout_millis=30000):
        self.told.append(("flush", timeout_millis))
        return False


@pytest.mark.parametrize("multi", [None, SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_processors_are_told_of_everything(multi):
    """Start, the moment before the end, when they may still write, the end, a flush and the shutdown."""
    witness = Witness()
    provider = TracerProvider(shutdown_on_exit=False, active_span_processor=multi and multi())
    provider.add_span_processor(witness)
    context = trace.set_span_in_context(trace.INVALID_SPAN)
    provider.get_tracer("t").start_span("s", context).end()
    assert not provider.force_flush(5000)
    provider.shutdown()
    assert [
        ("start", "s", context),
        ("ending", "s"),
        ("end", "s", {"started": True, "ending": True}),
        "flush",
        ("shutdown",),
    ] == [told if told[0] != "flush" else "flush" for told in witness.told]


def test_a_processor_may_be_put_in_by_the_sdks_private_name():
    """As some tools do it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("t")
    tracer.start_span("before").end()
    provider._active_span_processor._span_processors = (SimpleSpanProcessor(exporter),)
    tracer.start_span("after").end()
    assert ["after"] == [span.name for span in exporter.get_finished_spans()]


def test_a_processor_that_raises_harms_neither_the_program_nor_the_others(caplog):
    class Broken(SpanProcessor):
        def on_end(self, span):
            raise RuntimeError("broken inside")

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("t").start_span("s").end()
    assert 1 == len(exporter.get_finished_spans())
    assert "broken inside" in caplog.text


def test_the_sdks_batch_processor_and_console_exporter_take_our_spans():
    out = io.StringIO()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=out)))
    with provider.get_tracer("t").start_as_current_span("printed"):
        pass
    provider.shutdown()
    assert '"name": "printed"' in out.getvalue()


def test_the_sdks_own_metrics_count_our_spans(monkeypatch):
    """`otel.sdk.span.started` and `.live`, where they are switched on."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    found = []
    for make in PROVIDERS:
        reader = InMemoryMetricReader()
        provider = make(
            shutdown_on_exit=False, meter_provider=MeterProvider([reader], shutdown_on_exit=False)
        )
        tracer = provider.get_tracer("t")
        open_span = tracer.start_span("open")
        with tracer.start_as_current_span("s"):
            tracer.start_span("child").end()
        found.append(points(reader))
        open_span.end()
    assert found[0]
    assert found[0] == found[1]


def test_the_sdks_own_metrics_count_where_our_sampler_decides(monkeypatch):
    """What is held is recorded only; what an unsampled caller asks for is dropped."""
    monkeypatch.setenv("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "true")
    reader = InMemoryMetricReader()
    provider = TracerProvider(
        RatioSlowSampler(0.0),
        shutdown_on_exit=False,
        timer=False,
        meter_provider=MeterProvider([reader], shutdown_on_exit=False),
    )
    tracer = provider.get_tracer("t")
    with tracer.start_as_current_span("held"):
        tracer.start_span("child").end()
    still_open = tracer.start_span("forced", force=True)
    caller = trace.NonRecordingSpan(trace.SpanContext(7, 5, is_remote=True))
    tracer.start_span("s", trace.set_span_in_context(caller)).end()
    found = {
        (name, *(value for _, value in attributes)): value
        for (name, attributes), value in points(reader).items()
    }
    assert {
        ("otel.sdk.span.started", "none", "RECORD_ONLY"): 1,
        ("otel.sdk.span.started", "local", "RECORD_ONLY"): 1,
        ("otel.sdk.span.started", "none", "RECORD_AND_SAMPLE"): 1,
        ("otel.sdk.span.started", "remote", "DROP"): 1,
        ("otel.sdk.span.live", "RECORD_ONLY"): 0,
        ("otel.sdk.span.live", "RECORD_AND_SAMPLE"): 1,
    } == found
    still_open.end()


def points(reader):
    """Return the numbers of all metrics."""
    return {
        (metric.name, tuple(sorted(point.attributes.items()))): point.value
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
