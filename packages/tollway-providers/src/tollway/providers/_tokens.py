"""Access tokens that have to be fetched: off the event loop, and again before they expire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from tollway.provider import ErrorKind, UpstreamError

EARLY_S = 300.0
"""How long before its end a token is fetched again, in seconds; the old one serves until then."""

_AGAIN_S = 1.0
"""Seconds between a fetch that failed and the next."""


T = TypeVar("T")


class Token(NamedTuple, Generic[T]):
    """An access token, or other credentials, and how many seconds they are good for."""

    value: T
    lifetime_s: float


class TokenSource(Generic[T]):
    """Holds a token of `fetch`, which blocks and may raise anything; `start` runs it elsewhere.

    Nothing here waits: `get` gives the token, or an error that a retry can help.
    """

    def __init__(
        self,
        fetch: Callable[[], Token[T]],
        *,
        clock_s: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._fetch = fetch
        self._clock_s = clock_s
        self._start = start or _in_a_thread
        self._value: T | None = None
        self._ends_s = 0.0
        self._next_s = 0.0
        self._failure = ""
        self._busy = threading.Lock()
        self.renew()

    def get(self) -> T:
        """Return the token.

        Raises:
            UpstreamError: there is none yet, or it cannot be had; retryable.
        """
        now_s = self._clock_s()
        if now_s >= self._ends_s - EARLY_S:
            self.renew()
        if self._value is not None and now_s < self._ends_s:
            return self._value
        said = self._failure or "they are being fetched"
        raise UpstreamError(
            f"the gateway has no credentials for the model's service: {said}",
            upstream_status=503,
            status=503,
            code="upstream_authentication",
            retry_after_s=_AGAIN_S,
            kind=ErrorKind.RETRYABLE,
        )

    def renew(self) -> None:
        """Start to fetch, unless that is under way or has just failed."""
        if self._clock_s() < self._next_s or not self._busy.acquire(blocking=False):
            return
        self._start(self._run)

    def _run(self) -> None:
        try:
            token = self._fetch()
        except Exception as error:  # a library of credentials may fail in any way it likes
            self._failure = f"{type(error).__name__}: {error}"[:500]
            self._next_s = self._clock_s() + _AGAIN_S
        else:
            now_s = self._clock_s()
            self._value, self._failure = token.value, ""
            # A token that is short-lived from the start is not fetched for every request.
            self._next_s = now_s + min(token.lifetime_s / 2, EARLY_S)
            self._ends_s = now_s + token.lifetime_s
        finally:
            self._busy.release()


def _in_a_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="tollway-token", daemon=True).start()
