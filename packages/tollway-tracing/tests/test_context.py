"""Tags for every span inside, and the way into other threads."""

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tollway import tracing
from tollway.tracing import testing


@pytest.fixture
def captured():
    with testing.capture() as captured:
        yield captured


def touch(name):
    with tracing.start_span(name):
        pass


class TestTags:
    def test_every_span_inside_has_them(self, captured):
        """Spans of the tracer that others use, too; none outside."""
        touch("before")
        with tracing.tags({"tenant": "acme"}, session="s1", user="u1"), tracing.start_span("root"):
            otel.get_tracer("lib").start_span("child").end()
        touch("after")
        wanted = {"tenant": "acme", "session.id": "s1", "user.id": "u1"}
        for name in ("root", "child"):
            assert wanted.items() <= dict(captured.named(name).attributes).items()
        for name in ("before", "after"):
            assert "session.id" not in captured.named(name).attributes

    def test_inner_ones_are_added_to_outer_ones(self, captured):
        with tracing.tags({"a": 1, "b": 1}, session="s1"):
            with tracing.tags({"b": 2}):
                touch("inner")
            touch("outer")
        assert {"a": 1, "b": 2, "session.id": "s1"}.items() <= captured.named("inner").attributes.items()
        assert 1 == captured.named("outer").attributes["b"]

    def test_tasks_do_not_see_each_others(self, captured):
        async def handle(user):
            with tracing.tags(user=user):
                await asyncio.sleep(0)
                touch(user)

        async def run():
            await asyncio.gather(handle("ann"), handle("ben"))

        asyncio.run(run())
        assert ["ann", "ben"] == [captured.named(user).attributes["user.id"] for user in ("ann", "ben")]

    def test_on_the_sdks_provider(self, monkeypatch):
        exporter = InMemorySpanExporter()
        provider = SDKTracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
        with tracing.tags(session="s1"):
            touch("s")
        (span,) = exporter.get_finished_spans()
        assert "s1" == span.attributes["session.id"]

    def test_without_a_provider_nothing_happens(self, monkeypatch):
        monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
        with tracing.tags(session="s1"):
            touch("s")


class TestWrap:
    def test_spans_in_threads_are_children_of_here(self, captured):
        with tracing.start_span("root") as root, ThreadPoolExecutor(2) as pool:
            list(pool.map(tracing.wrap(touch), ["a", "b"]))
            pool.submit(touch, "unwrapped").result()
        parents = [captured.named(name).parent for name in ("a", "b", "unwrapped")]
        assert [root.get_span_context()] * 2 + [None] == parents

    def test_it_gives_back_what_the_function_gives(self, captured):
        assert 3 == tracing.wrap(lambda a, b: a + b)(1, b=2)
        with pytest.raises(ZeroDivisionError):
            tracing.wrap(lambda: 1 / 0)()


def test_wrapped_coroutines_and_generators_run_in_the_context_of_the_wrap():
    """Their work begins after the call: every step of it counts."""

    def touch(name):
        with tracing.start_span(name):
            pass

    async def coroutine():
        touch("coroutine")

    def generator():
        touch("generator")
        yield 1

    async def async_generator():
        touch("async generator")
        yield 1

    async def run(wrapped, wrapped_generator):
        await asyncio.create_task(wrapped())
        return [value async for value in wrapped_generator()]

    with testing.capture() as captured:
        with tracing.start_span("request") as request:
            wrapped = [tracing.wrap(one) for one in (coroutine, generator, async_generator)]
        list(wrapped[1]())
        asyncio.run(run(wrapped[0], wrapped[2]))
        for name in ("coroutine", "generator", "async generator"):
            assert captured.named(name).parent.span_id == request.get_span_context().span_id
    assert inspect.iscoroutinefunction(wrapped[0])
    assert inspect.isgeneratorfunction(wrapped[1])
    assert inspect.isasyncgenfunction(wrapped[2])
