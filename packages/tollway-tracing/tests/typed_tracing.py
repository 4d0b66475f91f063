"""What a user of tracing writes, as the type checker sees it; run by test_typing."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import assert_type

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tollway import tracing
from tollway.tracing import testing


@tracing.trace
def plain(query: str) -> list[int]:
    return [len(query)]


@tracing.trace(name="answer", kind="chain", capture_outputs=False, force=True, sampling_ratio=0.5)
async def answer(question: str) -> str:
    return question


@tracing.trace
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@tracing.trace
async def tokens() -> AsyncIterator[str]:
    yield "a"


class Shop:
    @tracing.trace
    def sell(self, item: str) -> int:
        return len(item)


async def use() -> None:
    assert_type(plain("a"), list[int])
    assert_type(await answer("a"), str)
    assert_type(numbers(1), Iterator[int])
    assert_type(tokens(), AsyncIterator[str])
    assert_type(Shop().sell("a"), int)


with tracing.tags({"tenant": "acme"}, session="s", user="u"), tracing.start_span("s", kind="tool") as span:
    assert_type(span, tracing.TracedSpan)
    span.set_inputs({"any": object()})
    span.set_status("ERROR", "why")
    span.set_status(otel.StatusCode.OK)
    span.add_event("hit", {"key": 1})
with tracing.start_span("s", otel.SpanKind.CLIENT, attributes={"a": 1}, start_time=1, force=True):
    pass

assert_type(tracing.current_span(), tracing.TracedSpan)
assert_type(
    tracing.configure(service_name="shop", store=Path("traces"), sampling_rate=0.2), SDKTracerProvider
)
assert_type(tracing.extract({"traceparent": ""}), Context)
assert_type(tracing.flush(1.0), bool)
assert_type(tracing.stats().held_spans, int)
assert_type(tracing.search_traces(status="ERROR", limit=1), list[tracing.Trace])

with ThreadPoolExecutor() as pool:
    assert_type(pool.submit(tracing.wrap(plain), "a"), Future[list[int]])

provider: otel.TracerProvider = tracing.TracerProvider(ALWAYS_ON, shutdown_on_exit=False)
tracer = provider.get_tracer("shop")
with tracer.start_as_current_span("s") as current:
    assert_type(current, otel.Span)

with testing.capture(tracing.RatioSlowSampler(0.2, 1000)) as captured:
    captured.named("s")
