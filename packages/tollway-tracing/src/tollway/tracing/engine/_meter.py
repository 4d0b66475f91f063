"""The SDK's own metrics (`otel.sdk.span.*`) where our sampler decides and nobody else asks the SDK to count.

https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span as SDKSpan
from opentelemetry.sdk.trace.sampling import Decision

from tollway.tracing._private.sdk import EndingProcessor, TracerMetricsT

if TYPE_CHECKING:
    from ._span import Span


class Meter(EndingProcessor):
    """Counts starts and endings; a span of an undecided trace counts as recorded only."""

    def __init__(self, metrics: TracerMetricsT) -> None:
        self._metrics = metrics
        self._running: dict[Span, Callable[[], None]] = {}

    def on_start(self, span: SDKSpan, parent_context: Context | None = None) -> None:
        """Count a start."""
        sampled = span.get_span_context().trace_flags.sampled
        decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY
        self._running[cast("Span", span)] = self._metrics.start_span(span.parent, decision)

    def on_ending(self, span: SDKSpan) -> None:
        """Count an ending."""
        if (count_end := self._running.pop(cast("Span", span), None)) is not None:
            count_end()
