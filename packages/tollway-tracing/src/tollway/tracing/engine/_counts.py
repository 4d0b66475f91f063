"""What the engine did, as numbers that only grow."""

from dataclasses import dataclass, field

KEPT_REASONS = ("ratio", "slow", "error", "parent", "forced", "collector")
"""Why a trace is kept."""

DROP_REASONS = ("unpicked", "evicted", "late", "parent", "shutdown")
"""Why a span is not kept: its trace was neither picked nor slow nor failed; memory had no room for what was
held; its trace was dropped before it ended; its parent, in another process, is not sampled; the program ended
first."""


@dataclass(slots=True)
class Counts:
    """Counted without locks: each number is added to in one step of the interpreter."""

    started: int = 0
    """Spans started, those that record nothing not among them."""
    kept_spans: int = 0
    """Spans that were passed to the processors because our sampler kept them."""
    kept: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEPT_REASONS, 0))
    """Traces (the part under one local root) by reason."""
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DROP_REASONS, 0))
    """Spans by reason."""
    dropped_traces: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DROP_REASONS, 0))
    """Traces by reason."""
