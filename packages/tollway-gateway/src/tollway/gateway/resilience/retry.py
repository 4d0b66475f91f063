"""When a failed attempt is made again at the same upstream, and after how long.

Exponential backoff with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), `Retry-After` (RFC 9110 section
10.2.3) where the upstream sends one, and a budget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tollway.gateway.config.values import RetryConfig
from tollway.provider import ProviderError

from .budget import Budget

Random = Callable[[], float]
"""Gives a number in [0, 1)."""

MINIMUM_RETRIES = 10
"""Retries of a quiet upstream within `budget.WINDOW_S` that its budget allows in any case."""

_SPREAD = 0.1
"""By which share a `Retry-After` is exceeded at most, so that not everybody returns in the same instant."""

_MAX_EXPONENT = 30


class RetryPolicy(Protocol):
    """Decides about retries at one upstream; shared by all requests of an endpoint."""

    attempts: int
    """The largest number of attempts at this upstream, the first one included."""

    def delay_s(self, attempts: int, error: ProviderError, left_s: float, budget: Budget) -> float | None:
        """Return the seconds to wait before the next attempt at the same upstream, None when there is none.

        `attempts` were made there, the last of them failed with `error`, and `left_s` are left to the
        deadline. A delay is paid for from `budget`: ask only when it would be followed.
        """


class Backoff:
    """Retries what may succeed, with growing delays; see `RetryPolicy`."""

    __slots__ = ("_backoff_s", "_max_backoff_s", "_random", "attempts")

    def __init__(self, config: RetryConfig, random: Random) -> None:
        self.attempts = config.attempts
        self._backoff_s = config.backoff_s
        self._max_backoff_s = config.max_backoff_s
        self._random = random

    def delay_s(self, attempts: int, error: ProviderError, left_s: float, budget: Budget) -> float | None:
        """See `RetryPolicy.delay_s`.

        None also when the upstream asks for a longer wait than `max_backoff_s`, or than is left: whoever
        waits that long is better served by another candidate.
        """
        if attempts >= self.attempts or not error.kind.may_retry:
            return None
        wanted_s = error.retry_after_s
        if wanted_s is None:
            delay_s = self._random() * self._ceiling_s(attempts)
        elif wanted_s > self._max_backoff_s:
            return None
        else:
            delay_s = wanted_s * (1 + _SPREAD * self._random())
        if delay_s >= left_s or not budget.withdraw():
            return None
        return delay_s

    def _ceiling_s(self, attempts: int) -> float:
        """Return the longest delay after so many attempts."""
        return min(self._max_backoff_s, self._backoff_s * 2.0 ** min(attempts - 1, _MAX_EXPONENT))


class _NoRetry:
    """Makes no retries; see `RetryPolicy`."""

    __slots__ = ()

    attempts = 1

    def delay_s(self, attempts: int, error: ProviderError, left_s: float, budget: Budget) -> float | None:
        """See `RetryPolicy.delay_s`."""
        return None


NO_RETRY: RetryPolicy = _NoRetry()


def retry_policy(config: RetryConfig | None, random: Random) -> RetryPolicy:
    """Return the policy of an endpoint; without a section it makes no retries."""
    return NO_RETRY if config is None or config.attempts == 1 else Backoff(config, random)
