"""Stores for the pages to show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from tollway.tracing.store import FileStore

START_NS = 1_795_590_000_000_000_000
"""2026-11-25T07:00:00Z."""

MS = 1_000_000


class Written:
    """A store, and what writes traces to it: `span` opens one below another, `keep` writes what ended."""

    def __init__(self, folder: Path) -> None:
        self.store = FileStore(folder / "traces")
        self._exporter = InMemorySpanExporter()
        self._tracers: dict[str, trace.Tracer] = {}

    def span(
        self,
        name: str,
        from_ms: float,
        to_ms: float,
        parent: Span | None = None,
        *,
        service: str = "shop",
        error: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
    ) -> Span:
        """Return a span that ended, in milliseconds after `START_NS`."""
        context = None if parent is None else trace.set_span_in_context(parent)
        begun_ns = START_NS + round(from_ms * MS)
        span = self._tracer(service).start_span(
            name, context, kind=kind, start_time=begun_ns, attributes=attributes
        )
        assert isinstance(span, Span)
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(START_NS + round(to_ms * MS))
        return span

    def begin(self, name: str) -> Span:
        """Return a span that the test ends."""
        span = self._tracer("shop").start_span(name)
        assert isinstance(span, Span)
        return span

    def keep(self) -> str:
        """Write what ended as one trace; return its id."""
        spans = self._exporter.get_finished_spans()
        self._exporter.clear()
        self.store.write([spans])
        context = spans[0].context
        assert context is not None
        return f"{context.trace_id:032x}"

    def request(self, name: str, from_ms: float, to_ms: float, **more: Any) -> str:
        """Write a trace of one span."""
        attributes = {"tollway.kept_because": "ratio", **more.pop("attributes", {})}
        self.span(name, from_ms, to_ms, attributes=attributes, **more)
        return self.keep()

    def _tracer(self, service: str) -> trace.Tracer:
        if service not in self._tracers:
            provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
            provider.add_span_processor(SimpleSpanProcessor(self._exporter))
            self._tracers[service] = provider.get_tracer("tests")
        return self._tracers[service]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """An empty store."""
    return Written(tmp_path)
