"""The policy: a ratio of all traces, and with it every trace that is slow or failed.

Probability follows OpenTelemetry's consistent sampling: a trace is picked when its randomness R (`rv` of the
tracestate, else the low 56 bits of the trace id) is at least the threshold T = (1 - ratio) * 2**56, and `th`
tells T. https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
"""

import math
from collections.abc import Sequence
from typing import Literal

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from .propagation import random_value_of, with_threshold

__all__ = ["MODES", "Mode", "RatioSlowSampler", "is_picked", "threshold_for"]

Mode = Literal["local", "collector"]
"""Who decides which traces are kept: this process, or the collector's tail sampling behind it."""

MODES: tuple[Mode, ...] = ("local", "collector")

ALL = 2**56
"""One more than the greatest randomness: 56 bits."""

NEVER = ALL
"""A threshold that no trace reaches."""

_PRECISION_DIGITS = 4
"""Hexadecimal digits of a threshold after those that are all `f`, as the collector's processors round it."""


def threshold_for(ratio: float) -> int:
    """Return the threshold of a ratio (0 to 1), rounded so that `th` is short; `NEVER` for 0.

    Raises ValueError for a ratio that is none.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"a sampling rate is between 0 and 1, not {ratio!r}")
    kept = round(ratio * ALL)
    if kept == 0:
        return NEVER
    leading = int(-math.log2(ratio) / 4) if ratio < 1 else 0
    unit: int = 16 ** max(0, 14 - leading - _PRECISION_DIGITS)
    return ALL - max(1, round(kept / unit)) * unit


def is_picked(trace_id: int, trace_state: TraceState | None, threshold: int) -> bool:
    """Return whether the ratio keeps a trace."""
    if not threshold:
        return True
    given = random_value_of(trace_state) if trace_state else None
    return (trace_id & (ALL - 1) if given is None else given) >= threshold


class RatioSlowSampler(Sampler):
    """Keeps a ratio of all traces, every trace slower than a threshold, and every trace with a failed span.

    Given to `tollway.tracing.TracerProvider` it does all of that. Under another provider, which must decide
    when a span starts, it keeps the ratio (and what a sampled parent asks for).

    sampling_rate: 0 to 1. slow_threshold_ms: None keeps no trace for being slow. max_held_spans,
    max_held_bytes: what undecided traces may hold in memory together; beyond it the oldest lose what they
    hold, which is counted.
    """

    def __init__(
        self,
        sampling_rate: float = 1.0,
        slow_threshold_ms: float | None = None,
        *,
        mode: Mode = "local",
        max_held_spans: int = 100_000,
        max_held_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        if slow_threshold_ms is not None and not slow_threshold_ms >= 0:
            raise ValueError(f"slow_threshold_ms is a number of milliseconds, not {slow_threshold_ms!r}")
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        if max_held_spans < 1 or max_held_bytes < 1:
            raise ValueError("max_held_spans and max_held_bytes must be positive")
        self.sampling_rate = sampling_rate
        self.slow_threshold_ms = slow_threshold_ms
        self.mode: Mode = mode
        self.max_held_spans = max_held_spans
        self.max_held_bytes = max_held_bytes
        self.threshold = threshold_for(sampling_rate)
        self.slow_ns = None if slow_threshold_ms is None else round(slow_threshold_ms * 1e6)

    def should_sample(  # noqa: PLR0917 - the SDK's signature
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Decide by parent and ratio alone; see the class."""
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            decision = Decision.RECORD_AND_SAMPLE if parent.trace_flags.sampled else Decision.DROP
            return SamplingResult(
                decision, attributes if parent.trace_flags.sampled else None, parent.trace_state
            )
        if self.mode == "collector":
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, with_threshold(TraceState(), 0))
        if is_picked(trace_id, trace_state, self.threshold):
            return SamplingResult(
                Decision.RECORD_AND_SAMPLE,
                attributes,
                with_threshold(trace_state or TraceState(), self.threshold),
            )
        return SamplingResult(Decision.DROP, None, trace_state)

    def get_description(self) -> str:
        """Return the policy in a line."""
        slow = "" if self.slow_threshold_ms is None else f",slow:{self.slow_threshold_ms:g}ms"
        return f"RatioSlowSampler{{{self.sampling_rate:g}{slow},{self.mode}}}"

    def __repr__(self) -> str:
        return self.get_description()
