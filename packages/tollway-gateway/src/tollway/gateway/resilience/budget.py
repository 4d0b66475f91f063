"""Budgets: how many requests beyond their callers' own the gateway may make.

A budget bounds what retries and hedges add to an outage, as Envoy's retry budgets and Finagle's `RetryBudget`
do: within `WINDOW_S` seconds at most a share of the requests, and a few in any case, so that quiet upstreams
have theirs too.
"""

from __future__ import annotations

from typing import Protocol

from .windows import Clock, SlidingCount

WINDOW_S = 10.0
"""Over how many seconds requests are counted."""


class Budget(Protocol):
    """What requests pay into and retries are paid from."""

    exhausted: int
    """How often there was nothing left."""

    def deposit(self) -> None:
        """Note a request of a caller."""

    def withdraw(self) -> bool:
        """Take the place of one more request; False when there is none."""


class ShareBudget:
    """At most `share` of the requests of the last seconds, or `minimum` if that is more; see `Budget`.

    A share of 0 is a budget of nothing, whatever the minimum.
    """

    __slots__ = ("_minimum", "_requests", "_share", "_spent", "exhausted")

    def __init__(self, share: float, minimum: int, clock_s: Clock) -> None:
        self._share = share
        self._minimum = minimum if share else 0
        self._requests = SlidingCount(WINDOW_S, clock_s)
        self._spent = SlidingCount(WINDOW_S, clock_s)
        self.exhausted = 0

    def deposit(self) -> None:
        """See `Budget.deposit`."""
        self._requests.add()

    def withdraw(self) -> bool:
        """See `Budget.withdraw`."""
        if self._spent.total() + 1 > max(self._minimum, self._share * self._requests.total()):
            self.exhausted += 1
            return False
        self._spent.add()
        return True


class _NoBudget:
    """For policies that never ask for more than one request."""

    __slots__ = ()

    exhausted = 0

    def deposit(self) -> None:
        """See `Budget.deposit`."""

    def withdraw(self) -> bool:
        """See `Budget.withdraw`."""
        return False


NO_BUDGET: Budget = _NoBudget()
