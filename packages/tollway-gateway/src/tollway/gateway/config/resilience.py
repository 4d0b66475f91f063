"""Reading what an endpoint says of retries, hedging, its circuit breaker and its concurrency."""

from __future__ import annotations

from typing import Any

from . import scalars
from .nodes import At, Field, fields, renamed
from .problems import InvalidValue
from .values import BreakerConfig, RetryConfig


def retry(at: At) -> dict[str, Any]:
    """Read `retry`."""
    table = {
        "attempts": Field(scalars.count),
        "backoff": Field(scalars.duration_or_0_s),
        "max_backoff": Field(scalars.duration_s),
        "budget": Field(scalars.share),
    }
    found = renamed(fields(at, table), backoff="backoff_s", max_backoff="max_backoff_s")
    _check_order(at, found, ("backoff", RetryConfig.backoff_s), ("max_backoff", RetryConfig.max_backoff_s))
    return found


def hedge(at: At) -> dict[str, Any]:
    """Read `hedge`; `after` is a duration, or a percentile of the endpoint's latency."""
    found = fields(at, {"after": Field(_after, required=True), "budget": Field(scalars.share)})
    return {**found.pop("after", {}), **found}


def breaker(at: At) -> dict[str, Any] | None:
    """Read `breaker`; None for `false`."""
    if at.is_scalar:
        return {} if scalars.flag(at) else None
    table = {
        "failure_rate": Field(scalars.share_above_0),
        "min_requests": Field(scalars.count),
        "consecutive_failures": Field(scalars.count),
        "window": Field(scalars.duration_s),
        "open_for": Field(scalars.duration_s),
        "max_open_for": Field(scalars.duration_s),
        "probes": Field(scalars.count),
        "when_open": Field(scalars.choice(["divert", "reject"])),
    }
    found = renamed(
        fields(at, table), window="window_s", open_for="open_for_s", max_open_for="max_open_for_s"
    )
    _check_order(
        at, found, ("open_for", BreakerConfig.open_for_s), ("max_open_for", BreakerConfig.max_open_for_s)
    )
    return found


def concurrency(at: At) -> dict[str, Any]:
    """Read `concurrency`."""
    table = {
        "max_in_flight": Field(scalars.count, required=True),
        "max_queue": Field(scalars.count_or_0),
        "max_wait": Field(scalars.duration_s),
    }
    return renamed(fields(at, table), max_wait="max_wait_s")


def _after(at: At) -> dict[str, float]:
    percentile = scalars.percentile(at)
    if percentile is not None:
        return {"after_quantile": percentile}
    try:
        return {"after_s": scalars.duration_s(at)}
    except InvalidValue as invalid:
        raise InvalidValue(
            invalid.message, "write a duration such as 800ms, or a percentile such as p95"
        ) from None


def _check_order(at: At, found: dict[str, Any], low: tuple[str, float], high: tuple[str, float]) -> None:
    """Note a first duration that is longer than the longest; where one is not given, its default counts."""
    (low_key, low_default), (high_key, high_default) = low, high
    first, longest = found.get(f"{low_key}_s", low_default), found.get(f"{high_key}_s", high_default)
    if first > longest:
        entries = at.entries()
        place = entries[low_key if low_key in entries else high_key][1]
        place.problem(
            f"{low_key} is {first:g}s, above {high_key} ({longest:g}s)",
            f"set {high_key} to at least {first:g}s, or {low_key} to at most {longest:g}s",
        )
