"""The core as extension types: what a compiler could get wrong that Python's own classes cannot."""

import gc
import inspect
import os
import subprocess
import sys
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Tracer as SDKTracer
from opentelemetry.trace import Span as APISpan
from opentelemetry.trace import set_span_in_context

from support import builds
from tollway.tracing import testing
from tollway.tracing.engine import IS_COMPILED, Span
from tollway.tracing.engine.engine_core import Engine
from tollway.tracing.engine.local_trace_core import LocalTrace
from tollway.tracing.engine.span_core import SpanCore
from tollway.tracing.engine.tracer_core import TracerCore
from tollway.tracing.otlp import _own
from tollway.tracing.store import _fast_path

INTERPRETED = Path(__file__).parents[4] / "interpreted"


@pytest.fixture
def captured():
    with testing.capture(set_global=False) as captured:
        yield captured


@pytest.fixture
def tracer(captured):
    return captured.provider.get_tracer("t")


@pytest.mark.skipif(not builds.CAN_COMPILE, reason=builds.NOT_COMPILED)
def test_where_there_is_a_compiler_the_core_is_compiled_unless_the_source_is_asked_for():
    wanted = not os.environ.get("TOLLWAY_NO_EXTENSIONS")
    assert wanted == IS_COMPILED
    cores = {sys.modules[type_.__module__] for type_ in (Engine, LocalTrace, SpanCore, TracerCore)}
    assert {wanted} == {module.__file__.endswith(".so") for module in (*cores, _own, _fast_path)}


def test_the_source_runs_where_compiled_modules_lie_beside_it():
    script = "from tollway.tracing.engine import IS_COMPILED; print(IS_COMPILED)"
    environment = {**os.environ, "PYTHONPATH": str(INTERPRETED)}
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert "False" == said.stdout.strip()


def test_instrumentations_find_the_types_they_look_for(captured, tracer):
    span = tracer.start_span("s")
    assert isinstance(span, APISpan)
    assert isinstance(span, ReadableSpan)
    assert isinstance(tracer, SDKTracer)


def test_a_weak_reference_dies_with_its_span(captured, tracer):
    """What an instrumentation holds of a span that is gone is None, not freed memory."""
    span = tracer.start_span("s")
    seen = weakref.ref(span)
    died = []
    weakref.finalize(span, died.append, "span")
    span.end()
    captured.clear()
    del span
    gc.collect()
    assert ["span"] == died
    assert seen() is None


def test_a_span_that_holds_itself_is_collected(captured, tracer):
    span = tracer.start_span("s")
    span.anything = span  # a span has room for attributes of others, as the SDK's has
    seen = weakref.ref(span)
    span.end()
    captured.clear()
    del span
    gc.collect()
    assert seen() is None


def test_a_long_line_of_parents_is_freed_without_a_deep_stack(captured, tracer):
    """Each holds the one before it, and all of them go at once."""
    spans = [tracer.start_span("root")]
    for _ in range(200_000):
        spans.append(tracer.start_span("child", set_span_in_context(spans[-1])))
    last = spans[-1]
    spans.clear()
    assert 200_000 == captured.provider.counts.started - 1
    root = weakref.ref(last._local.root)
    last._local.root = None
    del last
    assert root() is None


def test_a_signature_is_what_the_api_has(tracer):
    """Tools that wrap the tracer ask for it."""
    own = [*inspect.signature(tracer.start_span).parameters]
    assert own == [*[*inspect.signature(SDKTracer.start_span).parameters][1:], "force", "sampling_ratio"]


def test_what_no_tracer_filled_raises_at_most():
    """A copier, or an unpickler, makes a span without its slots: the interpreter outlives it."""
    empty = Span.__new__(Span)
    for call in (
        empty.end,
        empty.get_span_context,
        empty.raw_context,
        lambda: empty.set_attribute("key", "value"),
        lambda: empty.set_attribute("key", ["value"]),
        lambda: empty.add_event("event"),
        empty.resolve_attributes,
        lambda: LocalTrace().ended(empty),
        LocalTrace().decide,
    ):
        with suppress(AttributeError, TypeError):
            call()
    with pytest.raises((AttributeError, TypeError)):
        empty.end()
