"""Instances of compiled classes, and arguments for their methods, of whichever build is imported."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from opentelemetry.sdk.resources import Resource


def instance_of(class_: type) -> Any:
    """Return a new instance: one in use where there is a maker, else one whose `__init__` did not run."""
    make = _MAKERS.get(f"{class_.__module__}.{class_.__name__}")
    return class_.__new__(class_) if make is None else make()


def is_made(class_: type) -> bool:
    """Return whether there is a maker."""
    return f"{class_.__module__}.{class_.__name__}" in _MAKERS


def span() -> Any:
    """Return a running root whose trace is not decided."""
    return tracer().start_span("span", attributes={"a": "b"})


def tracer() -> Any:
    """Return a tracer that holds traces, by a clock that stands and ids that count."""
    tracing, testing = import_module("tollway.tracing"), import_module("tollway.tracing.testing")
    provider = tracing.TracerProvider(
        sampler=tracing.RatioSlowSampler(0.5),
        resource=Resource({}),
        shutdown_on_exit=False,
        timer=False,
        id_generator=testing.CountingIds(),
        clock=testing.SteppingClock().clock(),
    )
    tracer = provider.get_tracer("tests")
    tracer.engine._stop.set()  # so that what a thread would run ends at once
    return tracer


_FAST_PATH = "tollway.tracing.store._fast_path"


def batch() -> Any:
    """Return a batch of traces for files."""
    fast_path = import_module(_FAST_PATH)
    return fast_path.Batch(b"/", 1_000, *[lambda *arguments: None] * 4)


def fast_path() -> Any:
    """Return a fast path to the files of a store."""
    named = dict.fromkeys(["head_of", "service_of", "second_of", "repeated"], lambda *arguments: None)
    return import_module(_FAST_PATH).FastPath(b"/", 1_000, 0o600, **named)


def metered_trace() -> Any:
    """Return the trace of a span that a sampler of the SDK decides on."""
    local = import_module("tollway.tracing.engine.local_trace_core").MeteredTrace()
    local.begin(tracer().engine, 1, True, 3, None, 0, None, None, False)
    local.on_end = lambda: None
    return local


_ENGINE = "tollway.tracing.engine"

_MAKERS: dict[str, Callable[[], Any]] = {
    f"{_ENGINE}.counts.Counts": lambda: import_module(f"{_ENGINE}.counts").Counts(),
    f"{_ENGINE}.engine_core.Engine": lambda: tracer().engine,
    f"{_ENGINE}.local_trace_core.LocalTrace": lambda: span()._local,
    f"{_ENGINE}.local_trace_core.MeteredTrace": metered_trace,
    f"{_ENGINE}.span_core.SpanCore": span,
    f"{_ENGINE}.tracer_core.TracerCore": tracer,
    f"{_FAST_PATH}.Batch": batch,
    f"{_FAST_PATH}.FastPath": fast_path,
}

SAMPLES: dict[str, Callable[[], Any]] = {
    "attributes": lambda: {"key": "value"},
    "body": lambda: b"body",
    "certain": lambda: True,
    "clock": lambda: import_module("tollway.tracing.testing").SteppingClock().clock(),
    "end_time": lambda: 2,
    "engine": lambda: tracer().engine,
    "flags": lambda: 3,
    "groups": list,
    "heavy_bytes": lambda: 9,
    "is_random": lambda: True,
    "key": lambda: "key",
    "local": lambda: span()._local,
    "made_ns": lambda: 1,
    "name": lambda: "name",
    "offset_ns": lambda: 0,
    "other": lambda: tracer().engine,
    "picked": lambda: True,
    "span": span,
    "state": lambda: span()._local.trace_state,
    "status": lambda: "OK",
    "told": tuple,
    "trace_id": lambda: 1,
    "value": lambda: "value",
    "why": lambda: "slow",
}
"""What a method is given for an argument, by the argument's name; None for others."""
