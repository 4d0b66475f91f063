"""OpenInference's tracer, spans and instrumentors, which are wrapt's proxies of ours, work in both builds."""

from importlib import import_module

import httpx
import openai
import pytest
from openinference.instrumentation import OITracer, TraceConfig
from openinference.instrumentation.openai import OpenAIInstrumentor

from support import builds

COMPLETION = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
}


@pytest.fixture(params=builds.BUILDS)
def tracing(request):
    with builds.using(request.param):
        yield import_module("tollway.tracing")


@pytest.fixture
def captured(tracing):
    """Spans of a provider that keeps no trace but those that are slow or fail."""
    sampler = tracing.RatioSlowSampler(0.0)
    with import_module("tollway.tracing.testing").capture(sampler, set_global=False) as captured:
        yield captured


@pytest.fixture
def tracer(captured):
    return OITracer(captured.provider.get_tracer("app"), config=TraceConfig())


def test_spans_nest_and_are_decided_as_one_trace(captured, tracer):
    """A span of a proxy is the parent that it stands for: what ended below it is held until the root ends."""
    with tracer.start_as_current_span("root", openinference_span_kind="chain") as root:
        with tracer.start_as_current_span("child", openinference_span_kind="tool"):
            tracer.start_span("leaf", attributes={"a": "b"}).end()
        root.set_status("ERROR", "why")
    leaf, child, root = (captured.named(name) for name in ("leaf", "child", "root"))
    assert [child.context, root.context] == [leaf.parent, child.parent]
    assert 1 == len({span.context.trace_id for span in (leaf, child, root)})
    assert "b" == leaf.attributes["a"]
    assert ["TOOL", "CHAIN"] == [span.attributes["openinference.span.kind"] for span in (child, root)]
    assert "error" == root.attributes["tollway.kept_because"]


def test_a_trace_that_is_dropped_is_dropped_whole(captured, tracer):
    with tracer.start_as_current_span("root"), tracer.start_as_current_span("child"):
        pass
    assert [] == captured.spans
    assert 1 == sum(captured.provider.counts.dropped_traces.values())


def test_its_decorators_record_what_went_in_and_what_was_raised(captured, tracer):
    @tracer.chain
    def double(value: int) -> int:
        raise ValueError(value)

    with pytest.raises(ValueError, match="3"):
        double(3)
    (span,) = captured.spans
    assert "3" == span.attributes["input.value"]
    assert ["exception"] == [event.name for event in span.events]


def test_the_openai_client_is_traced(captured):
    """An instrumentor that knows nothing of Tollway writes a span below the one that is current."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=COMPLETION))
    client = openai.OpenAI(api_key="k", base_url="http://m", http_client=httpx.Client(transport=transport))
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=captured.provider)
    try:
        with captured.provider.get_tracer("t").start_as_current_span("mine") as mine:
            client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            mine.set_status("ERROR", "keep it")
    finally:
        instrumentor.uninstrument()
    called = captured.named("ChatCompletion")
    assert captured.named("mine").context == called.parent
    assert 8 == called.attributes["llm.token_count.total"]
