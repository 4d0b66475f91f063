"""Why a trace is there, and how many others it stands for: in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.tracing.propagation import W3CTraceState, threshold_of
from tollway.tracing.readers import Trace
from tollway.tracing.sampling import ALL

Policy = Mapping[str, float | None]
"""`sampling_rate` and `slow_threshold_ms`, as far as they are known."""


def why(trace: Trace, policy: Policy) -> dict[str, Any]:
    """Return the sentence that a trace's page begins with, and the numbers in it."""
    rate, kept = rate_of(trace), trace.kept_because
    if rate is None and kept == "ratio":
        rate = policy.get("sampling_rate")
    took = f"{trace.root_name or 'A trace'} took {_time(trace.duration_ms)}."
    return {
        "sentence": f"{took} {_reason(kept, rate, policy)}",
        "kept_because": kept,
        "sampling_rate": rate,
        "stands_for": 1 / rate if rate else None if kept in (None, "parent") else 1.0,
    }


def rate_of(trace: Trace) -> float | None:
    """Return the share of traces of which its tracestate says that it was picked; None where it does not."""
    for span in trace.spans:
        threshold = threshold_of(W3CTraceState.from_header([span.trace_state])) if span.trace_state else None
        if threshold is not None:
            return (ALL - threshold) / ALL
    return None


def _reason(kept: str | None, rate: float | None, policy: Policy) -> str:
    slow_ms, usual = policy.get("slow_threshold_ms"), policy.get("sampling_rate")
    than = "the slow threshold" if slow_ms is None else _time(slow_ms)
    others = "" if usual is None else f"; of other traces {_share(usual)} is kept"
    reasons = {
        "slow": f"Kept because it is slower than {than}{others}.",
        "error": f"Kept because a span failed{others}.",
        "ratio": _picked(rate, usual),
        "parent": "Kept because the service that called decided so.",
        "forced": "Kept because the program asked for it.",
    }
    return reasons.get(kept or "", "Nothing says why it was kept: its service has a policy of its own.")


def _picked(rate: float | None, usual: float | None) -> str:
    if not rate:
        return "Kept because the ratio picked it."
    if rate < 1:
        return f"Kept because the ratio picked it: {_share(rate)} is, so it stands for {_count(1 / rate)}."
    if usual == 1:
        return "Kept because all traces are."
    return "Kept because the ratio picked it; slow and failed traces are all kept, so it stands for itself."


def _share(rate: float) -> str:
    return "every one" if rate >= 1 else f"one in {1 / rate:.3g}"


def _count(number: float) -> str:
    return f"about {number:,.3g} traces" if number < 1000 else f"about {number:,.0f} traces"


def _time(ms: float) -> str:
    if ms < 1:
        return f"{ms * 1000:.3g} µs"
    return f"{ms:,.3g} ms" if ms < 999.5 else f"{ms / 1000:,.3g} s"
