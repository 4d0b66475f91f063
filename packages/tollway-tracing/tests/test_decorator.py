"""`@trace`: a span a call, whatever kind of function it is, that ends once and leaks nothing."""

import asyncio
import functools
import gc
import inspect
from dataclasses import dataclass

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import SpanKind, StatusCode

from tollway import tracing
from tollway.tracing import testing


@pytest.fixture(autouse=True)
def captured():
    with testing.capture() as found:
        yield found


def current():
    return otel.get_current_span().get_span_context().span_id


def loads(span, key):
    import json

    return json.loads(span.attributes[f"tollway.{key}"])


class TestPlain:
    def test_inputs_by_name_and_outputs(self, captured):
        @tracing.trace
        def add(first, second=2, *rest, **named):
            return first + second

        assert 3 == add(1)
        assert 9 == add(4, 5, 6, seven=7)
        one, two = captured.spans
        assert {"first": 1} == loads(one, "inputs")
        assert {"first": 4, "second": 5, "args": [6], "seven": 7} == loads(two, "inputs")
        assert 9 == loads(two, "outputs")

    def test_the_name_is_the_functions_or_given(self, captured):
        @tracing.trace
        def own():
            pass

        @tracing.trace(name="given", kind="chain", attributes={"a": 1})
        def other():
            pass

        @tracing.trace(kind=SpanKind.CLIENT)
        def third():
            pass

        own(), other(), third()
        assert ["own", "given", "third"] == [span.name for span in captured.spans]
        assert ("chain", 1) == (
            captured.spans[1].attributes["tollway.kind"],
            captured.spans[1].attributes["a"],
        )
        assert SpanKind.CLIENT is captured.spans[2].kind

    def test_methods_leave_self_and_cls_out(self, captured):
        class Thing:
            @tracing.trace
            def method(self, x):
                return x

            @tracing.trace
            @classmethod
            def of_class(cls, x):
                return x

            @tracing.trace
            @staticmethod
            def static(x):
                return x

        Thing().method(1), Thing.of_class(2), Thing().static(3)
        assert [{"x": 1}, {"x": 2}, {"x": 3}] == [loads(span, "inputs") for span in captured.spans]
        assert "Thing.method" == captured.spans[0].name

    def test_an_exception_makes_it_an_error_and_goes_on(self, captured):
        @tracing.trace
        def fail():
            raise KeyError("k")

        with pytest.raises(KeyError):
            fail()
        (span,) = captured.spans
        assert (StatusCode.ERROR, ["exception"]) == (span.status.status_code, [e.name for e in span.events])
        assert "tollway.outputs" not in span.attributes

    def test_calls_nest(self, captured):
        @tracing.trace
        def inner():
            pass

        @tracing.trace
        def outer():
            inner()

        outer()
        assert captured.named("outer").context.span_id == captured.named("inner").parent.span_id

    def test_capture_can_be_left_out(self, captured):
        @tracing.trace(capture_inputs=False, capture_outputs=False)
        def secret(x):
            return x

        secret(1)
        assert {"tollway.kept_because"} == set(captured.spans[0].attributes)

    def test_any_value_can_be_kept(self, captured):
        """Dataclasses become objects; what has no JSON form is kept as its `repr`."""

        @dataclass
        class Point:
            x: int

        class Odd:
            def __repr__(self):
                raise ValueError

        cycle = []
        cycle.append(cycle)

        @tracing.trace
        def keep(a, b, c, d):
            return {1: 2}

        keep(Point(1), Odd(), "\ud800", 2**80)
        keep(cycle, {1, 2}, b"\xff", float("nan"))
        assert {"1": 2} == loads(captured.spans[0], "outputs")
        assert {"a": {"x": 1}, "b": "<Odd>", "c": "?", "d": 2**80} == loads(captured.spans[0], "inputs")
        assert {"a": ["[[...]]"], "b": [1, 2], "c": "\ufffd", "d": None} == loads(captured.spans[1], "inputs")

    def test_it_keeps_the_functions_face(self):
        @tracing.trace
        def documented(x: int) -> int:
            """Say what."""
            return x

        assert ("documented", "Say what.") == (documented.__name__, documented.__doc__)
        assert ["x"] == list(inspect.signature(documented).parameters)


class TestCoroutines:
    def test_the_span_lasts_until_it_is_done(self, captured):
        @tracing.trace
        async def answer(x):
            await asyncio.sleep(0)
            assert captured.spans == []
            return x

        assert inspect.iscoroutinefunction(answer)
        assert 1 == asyncio.run(answer(1))
        assert [1] == [loads(span, "outputs") for span in captured.spans]

    def test_a_cancelled_one_ends_without_error(self, captured):
        @tracing.trace
        async def wait():
            await asyncio.Event().wait()

        async def main():
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())
        assert [StatusCode.UNSET] == [span.status.status_code for span in captured.spans]


@tracing.trace
def numbers(count, seen=None):
    for number in range(count):
        if seen is not None:
            seen.append(current())
        yield number


@tracing.trace
async def async_numbers(count, seen=None):
    for number in range(count):
        if seen is not None:
            seen.append(current())
        await asyncio.sleep(0)
        yield number


class TestGenerators:
    def test_it_ends_with_the_last_value(self, captured):
        assert [0, 1, 2] == list(numbers(3))
        (span,) = captured.spans
        assert [0, 1, 2] == loads(span, "outputs")
        assert {"count": 3} == loads(span, "inputs")

    def test_it_ends_when_closed(self, captured):
        generator = numbers(3)
        next(generator)
        generator.close()
        assert [StatusCode.UNSET] == [span.status.status_code for span in captured.spans]
        assert [0] == loads(captured.spans[0], "outputs")

    def test_it_ends_when_collected(self, captured):
        generator = numbers(3)
        next(generator)
        del generator
        gc.collect()
        assert 1 == len(captured.spans)

    def test_one_that_was_never_begun_has_no_span(self, captured):
        numbers(3).close()
        assert [] == captured.spans

    def test_its_span_is_current_inside_and_never_outside(self, captured):
        seen, before = [], current()
        for _ in numbers(2, seen):
            assert before == current()
        assert [captured.spans[0].context.span_id] * 2 == seen

    def test_spans_of_the_consumer_are_no_children(self, captured):
        for _ in numbers(1):
            with tracing.start_span("consumer"):
                pass
        assert captured.named("consumer").parent is None

    def test_an_exception_inside_makes_it_an_error(self, captured):
        @tracing.trace
        def fail():
            yield 1
            raise ValueError("x")

        with pytest.raises(ValueError, match="x"):
            list(fail())
        assert StatusCode.ERROR is captured.spans[0].status.status_code

    def test_send_throw_and_return_go_through(self, captured):
        @tracing.trace
        def echo():
            got = yield "first"
            try:
                yield got
            except KeyError:
                yield "caught"
            return "done"

        generator = echo()
        assert ["first", "sent", "caught"] == [
            next(generator),
            generator.send("sent"),
            generator.throw(KeyError()),
        ]
        with pytest.raises(StopIteration) as stop:
            next(generator)
        assert "done" == stop.value.value
        assert 1 == len(captured.spans)

    def test_yield_from_delegates(self):
        @tracing.trace
        def outer():
            return (yield from inner())

        @tracing.trace
        def inner():
            yield 1
            return 2

        def run():
            result = yield from outer()
            yield result

        assert [1, 2] == list(run())

    def test_long_ones_keep_their_first_values_and_count_the_rest(self, captured):
        list(numbers(1500))
        (span,) = captured.spans
        assert 1000 == len(loads(span, "outputs"))
        assert 500 == span.attributes["tollway.outputs.omitted"]

    def test_two_at_once_do_not_mix(self, captured):
        list(zip(numbers(3), numbers(3), strict=True))
        assert [None, None] == [span.parent for span in captured.spans]


class TestAsyncGenerators:
    def test_it_ends_with_the_last_value(self, captured):
        async def main():
            return [number async for number in async_numbers(3)]

        assert [0, 1, 2] == asyncio.run(main())
        assert [0, 1, 2] == loads(captured.spans[0], "outputs")

    def test_it_ends_when_closed(self, captured):
        async def main():
            generator = async_numbers(3)
            await anext(generator)
            await generator.aclose()
            assert 1 == len(captured.spans)

        asyncio.run(main())

    def test_it_ends_when_collected(self, captured):
        """The event loop closes what was abandoned."""

        async def main():
            generator = async_numbers(3)
            await anext(generator)
            del generator
            gc.collect()
            await asyncio.sleep(0.01)

        asyncio.run(main())
        assert 1 == len(captured.spans)

    def test_it_may_be_closed_in_another_task(self, captured, caplog):
        async def main():
            generator = async_numbers(3)
            await anext(generator)
            await asyncio.create_task(generator.aclose())

        asyncio.run(main())
        assert 1 == len(captured.spans)
        assert [] == caplog.records

    def test_its_span_is_current_inside_and_never_outside(self, captured):
        seen = []

        async def main():
            before = current()
            async for _ in async_numbers(2, seen):
                assert before == current()

        asyncio.run(main())
        assert [captured.spans[0].context.span_id] * 2 == seen

    def test_athrow_and_asend_go_through(self):
        @tracing.trace
        async def echo():
            got = yield "first"
            try:
                yield got
            except KeyError:
                yield "caught"

        async def main():
            generator = echo()
            return [await anext(generator), await generator.asend("sent"), await generator.athrow(KeyError())]

        assert ["first", "sent", "caught"] == asyncio.run(main())


class TestWrongArguments:
    def test_of_a_generator_end_its_span(self, captured):
        """As with a plain function: the call is a span in error."""

        @tracing.trace
        def numbers(count):
            yield from range(count)

        with pytest.raises(TypeError, match="count"):
            next(numbers())
        assert 1 == len(captured.spans)

    def test_of_an_async_generator_end_its_span(self, captured):
        @tracing.trace
        async def numbers(count):
            yield count

        async def run():
            async for _ in numbers():
                pass

        with pytest.raises(TypeError, match="count"):
            asyncio.run(run())
        assert 1 == len(captured.spans)


class TestShapes:
    """What may stand under the decorator is after it what it was before."""

    def test_properties(self, captured):
        class Model:
            @tracing.trace
            @property
            def size(self):
                return 42

            @tracing.trace
            @functools.cached_property
            def cached(self):
                return 43

            @tracing.trace
            def scaled(self, by):
                return by

            twice = tracing.trace(functools.partialmethod(scaled, 2))

        model = Model()
        assert (42, 43, 43, 2) == (model.size, model.cached, model.cached, model.twice())
        names = [span.name.rpartition(".")[2] for span in captured.spans]
        assert ["size", "cached", "scaled", "scaled"] == names

    def test_a_class_stays_as_it_is(self, captured, caplog):
        @tracing.trace
        class Point:
            pass

        assert isinstance(Point(), Point)
        assert "stays as it is" in caplog.text

    def test_an_object_with_an_asynchronous_call(self, captured):
        class Tool:
            async def __call__(self, x):
                with tracing.start_span("inside"):
                    return x

        assert 1 == asyncio.run(tracing.trace(Tool())(1))
        assert captured.named("inside").parent.span_id == captured.spans[-1].context.span_id
        assert 1 == loads(captured.spans[-1], "outputs")

    def test_a_partial_has_its_functions_name(self, captured):
        tracing.trace(functools.partial(int, "7"))()
        assert "int" == captured.spans[0].name

    def test_arguments_with_one_name_are_both_kept(self, captured):
        @tracing.trace
        def f(question, /, *args, **named):
            pass

        f(1, 2, question=3, args=4)
        values = str(loads(captured.spans[0], "inputs"))
        assert all(str(number) in values for number in (1, 2, 3, 4))


def plainly(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)

    return call


class TestLater:
    """A plain function whose work is yet to come: its span lasts as long."""

    def test_a_coroutine(self, captured):
        @tracing.trace
        @plainly
        async def fetch(x):
            with tracing.start_span("inside"):
                raise ValueError(x)

        async def main():
            task = asyncio.create_task(fetch(1))
            with pytest.raises(ValueError, match="1"):
                await task

        asyncio.run(main())
        assert StatusCode.ERROR is captured.spans[-1].status.status_code
        assert captured.named("inside").parent.span_id == captured.spans[-1].context.span_id

    def test_a_generator(self, captured):
        @tracing.trace
        @plainly
        def numbers():
            with tracing.start_span("inside"):
                yield 1
            return 2

        assert [1] == list(numbers())
        assert [1] == loads(captured.spans[-1], "outputs")
        assert captured.named("inside").parent.span_id == captured.spans[-1].context.span_id

    def test_an_async_generator(self, captured):
        @tracing.trace
        @plainly
        async def numbers():
            yield 1

        async def main():
            return [number async for number in numbers()]

        assert [1] == asyncio.run(main())
        assert [1] == loads(captured.spans[-1], "outputs")
