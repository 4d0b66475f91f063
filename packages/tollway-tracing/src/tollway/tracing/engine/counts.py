"""What the engine did, as numbers that only grow."""

from __future__ import annotations

from tollway.tracing.compiled import accept_proxies

KEPT_REASONS = ("ratio", "slow", "error", "parent", "forced", "collector")
"""Why a trace is kept."""

DROP_REASONS = ("unpicked", "evicted", "late", "parent", "shutdown")
"""Why a span is not kept: its trace was neither picked nor slow nor failed; memory had no room for what was
held; its trace was dropped before it ended; its parent, in another process, is not sampled; the program ended
first."""


class Counts:
    """Counted without locks: each number is added to in one step of the interpreter."""

    __slots__ = ("dropped", "dropped_traces", "kept", "kept_spans", "started")

    started: int
    """Spans started, those that record nothing not among them."""
    kept_spans: int
    """Spans that were passed to the processors because our sampler kept them."""
    kept: dict[str, int]
    """Traces (the part under one local root) by reason."""
    dropped: dict[str, int]
    """Spans by reason."""
    dropped_traces: dict[str, int]
    """Traces by reason."""

    def __init__(self) -> None:
        self.started = self.kept_spans = 0
        self.kept = dict.fromkeys(KEPT_REASONS, 0)
        self.dropped = dict.fromkeys(DROP_REASONS, 0)
        self.dropped_traces = dict.fromkeys(DROP_REASONS, 0)


accept_proxies(Counts)
