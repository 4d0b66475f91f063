"""Flags, states and names that the parts of the engine share."""

from opentelemetry.trace import Status, StatusCode, TraceFlags, TraceState

KEPT_BECAUSE = "tollway.kept_because"
"""The attribute of a kept trace's local root that says why: ratio, slow, error, parent, forced or
collector.
"""

EVICTED_SPANS = "tollway.evicted_spans"
"""The attribute of a kept trace's local root that says how many of its spans memory had no room for."""

RANDOM, SAMPLED, SAMPLED_RANDOM = TraceFlags(0x02), TraceFlags(0x01), TraceFlags(0x03)
NEITHER = TraceFlags(0)

HELD_FLAGS = (NEITHER, RANDOM)
KEPT_FLAGS = (SAMPLED, SAMPLED_RANDOM)

NO_STATE = TraceState()

UNSET = Status(StatusCode.UNSET)
