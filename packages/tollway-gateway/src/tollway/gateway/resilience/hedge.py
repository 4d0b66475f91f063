"""When a second request is sent beside one that is slow, so that the slowest few need not be waited for.

"The Tail at Scale" (Dean and Barroso 2013): hedging at the 95th percentile costs 5 % more requests at most.
"""

from __future__ import annotations

from typing import Protocol

from tollway.gateway.config.values import HedgeConfig

from .budget import ShareBudget
from .latency import StreamingQuantile
from .windows import Clock

MINIMUM_HEDGES = 5
"""Hedges of a quiet endpoint within `budget.WINDOW_S` that its budget allows in any case."""


class HedgePolicy(Protocol):
    """Decides about hedges of one endpoint; shared by all of its requests."""

    def after_s(self, *, stream: bool) -> float | None:
        """Note a request, and return after how many seconds without an answer to hedge it; None for never.

        The answer is the whole one, or the first token of a stream.
        """

    def allow(self) -> bool:
        """Take a hedge from the budget; False when there is none left. Ask when the time has come."""

    def observe(self, latency_s: float, *, stream: bool) -> None:
        """Learn how long an answer was waited for that was not hedged."""


class Hedge:
    """Hedges after a fixed time, or after a quantile of the latency; see `HedgePolicy`.

    Streams and whole answers have a quantile each: the first token comes long before the last.
    """

    __slots__ = ("_after_s", "_budget", "_quantiles")

    def __init__(self, config: HedgeConfig, clock_s: Clock) -> None:
        self._after_s = config.after_s
        self._budget = ShareBudget(config.budget, MINIMUM_HEDGES, clock_s)
        quantile = config.after_quantile
        self._quantiles = (
            None if quantile is None else (StreamingQuantile(quantile), StreamingQuantile(quantile))
        )

    @property
    def exhausted(self) -> int:
        """How often the budget was spent when a hedge was due."""
        return self._budget.exhausted

    def after_s(self, *, stream: bool) -> float | None:
        """See `HedgePolicy.after_s`. None as long as too few latencies are known for a quantile."""
        self._budget.deposit()
        return self._after_s if self._quantiles is None else self._quantiles[stream].value_s()

    def allow(self) -> bool:
        """See `HedgePolicy.allow`."""
        return self._budget.withdraw()

    def observe(self, latency_s: float, *, stream: bool) -> None:
        """See `HedgePolicy.observe`."""
        if self._quantiles is not None:
            self._quantiles[stream].observe(latency_s)


class _NoHedge:
    """Never hedges; see `HedgePolicy`."""

    __slots__ = ()

    exhausted = 0

    def after_s(self, *, stream: bool) -> float | None:
        """See `HedgePolicy.after_s`."""
        return None

    def allow(self) -> bool:
        """See `HedgePolicy.allow`."""
        return False

    def observe(self, latency_s: float, *, stream: bool) -> None:
        """See `HedgePolicy.observe`."""


NO_HEDGE: HedgePolicy = _NoHedge()


def hedge_policy(config: HedgeConfig | None, clock_s: Clock) -> HedgePolicy:
    """Return the policy of an endpoint; without a section it never hedges."""
    return NO_HEDGE if config is None else Hedge(config, clock_s)
