"""`start_as_current_span`: as a context manager, as a decorator, and beside spans of other makers."""

import asyncio

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider as SDKTracerProvider

from tollway.tracing import testing


@pytest.fixture
def captured():
    with testing.capture(set_global=False) as found:
        yield found


@pytest.fixture
def tracer(captured):
    return captured.provider.get_tracer("t")


def test_it_is_current_inside_and_gone_after(tracer):
    with tracer.start_as_current_span("s") as span:
        assert span is trace.get_current_span()
    assert trace.INVALID_SPAN is trace.get_current_span()
    assert not span.is_recording()


def test_children_hang_under_it(tracer):
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child") as child:
        pass
    assert root.get_span_context() == child.parent
    assert root.context.trace_id == child.context.trace_id


def test_other_values_of_the_context_stay(tracer):
    token = context.attach(context.set_value("key", "value"))
    with tracer.start_as_current_span("s"):
        assert "value" == context.get_value("key")
    context.detach(token)


def test_end_on_exit_can_be_left_out(tracer):
    with tracer.start_as_current_span("s", end_on_exit=False) as span:
        pass
    assert span.is_recording()


def test_it_decorates_plain_functions(captured, tracer):
    @tracer.start_as_current_span("s")
    def work(value):
        return value + 1

    assert [2, 3] == [work(1), work(2)]
    assert ["s", "s"] == [span.name for span in captured.spans]
    assert 2 == len({span.context.span_id for span in captured.spans})


def test_it_decorates_coroutine_functions(captured, tracer):
    """The span lasts until the coroutine is done, not until it is made."""
    seen = []

    @tracer.start_as_current_span("s")
    async def work():
        await asyncio.sleep(0)
        seen.append(trace.get_current_span().name)

    asyncio.run(work())
    assert ["s"] == seen
    assert ["s"] == [span.name for span in captured.spans]


def test_a_span_of_the_sdk_is_a_parent(captured, tracer):
    """Its sampled trace is followed."""
    sdk = SDKTracerProvider(shutdown_on_exit=False).get_tracer("sdk")
    with sdk.start_as_current_span("theirs") as theirs, tracer.start_as_current_span("ours") as ours:
        pass
    assert theirs.get_span_context() == ours.parent
    assert "parent" == ours.attributes["tollway.kept_because"]


def test_a_span_of_ours_is_the_sdks_parent(tracer):
    sdk = SDKTracerProvider(shutdown_on_exit=False).get_tracer("sdk")
    with tracer.start_as_current_span("ours") as ours, sdk.start_as_current_span("theirs") as theirs:
        pass
    assert ours.get_span_context() == theirs.parent
    assert theirs.get_span_context().trace_flags.sampled


def test_tasks_have_their_own_current_span(captured, tracer):
    """Spans of tasks that run at the same time do not nest in one another."""

    async def task(name):
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            with tracer.start_as_current_span(f"{name} child"):
                await asyncio.sleep(0)

    async def main():
        with tracer.start_as_current_span("root"):
            await asyncio.gather(*(task(f"t{n}") for n in range(5)))

    asyncio.run(main())
    for n in range(5):
        child = captured.named(f"t{n} child")
        assert captured.named(f"t{n}").context.span_id == child.parent.span_id
        assert captured.named("root").context.span_id == captured.named(f"t{n}").parent.span_id
