"""Posts bytes to one OTLP/HTTP receiver, for any signal: compression, retries, and one time for all of it.

What is retried, and how the endpoint is made, is the specification's:
https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import gzip
import http.client
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypedDict

from opentelemetry.context import attach, detach, set_value

from tollway.tracing._private.api import SUPPRESS_INSTRUMENTATION_KEY

from ._answer import error_text
from ._http import Poster, TLSFiles, is_loopback, split_credentials
from ._proxies import proxy_for

RETRYABLE = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""

FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 30.0

Sleep = Callable[[float], bool]
"""Waits so many seconds, or less and returns True when the exporter is shut down meanwhile."""

Answered = Callable[[Mapping[str, str], bytes], None]
"""Looks at the headers and the body of an answer of success."""

_GZIP_LEVEL = 1

_UNREADABLE = frozenset({400, 415})
"""Statuses of a receiver that may not read gzip."""


class SenderOptions(TypedDict, total=False):
    """The keywords of `Sender`."""

    headers: Mapping[str, str] | None
    timeout_s: float
    compression: str | None
    tls: TLSFiles
    proxies: Mapping[str, str] | None
    clock: Callable[[], float]
    now_s: Callable[[], float]
    sleep: Sleep | None
    jitter: Callable[[], float]


class Sender:
    """Sends bodies to one URL. Not for use by several threads at once.

    compression: gzip or none; where it is not given, bodies go by gzip, but plain on loopback, where no wire
    is saved, and to a receiver that refuses gzip.
    User and password in the URL become an `Authorization` header.
    tls: whom to trust, and a certificate of our own. proxies: variables such as HTTPS_PROXY and NO_PROXY.
    timeout_s bounds one `send`, retries included. Raises ValueError for what cannot be used.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults: a setting each
        self,
        url: str,
        content_type: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        compression: str | None = None,
        tls: TLSFiles = TLSFiles(),  # noqa: B008 - immutable
        proxies: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
        sleep: Sleep | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if compression not in (None, "none", "gzip"):
            raise ValueError(f"compression is gzip or none, not {compression!r}")
        self.url, credentials = split_credentials(url)
        self.retries = 0
        self.status = 0
        """Of the last answer; 0 where there was none."""
        self._gzip = compression == "gzip" or (compression is None and not is_loopback(self.url))
        self._may_go_plain = compression is None
        self._timeout_s = timeout_s
        self._clock = clock
        self._now_s = now_s
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        own = {"Content-Type": content_type, "User-Agent": "tollway-tracing"}
        self._poster = Poster(
            self.url,
            {**own, **credentials, **(headers or {})},
            timeout_s,
            tls=tls,
            proxy=proxy_for(self.url, proxies or {}),
        )

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is to be sent any more."""
        return self._stopped.is_set()

    def send(self, body: bytes, answered: Answered | None = None) -> str | None:
        """Post with retries; return what went wrong in the end, or None. Never raises."""
        token = attach(set_value(SUPPRESS_INSTRUMENTATION_KEY, True))  # else our own request makes spans
        try:
            return self._send(body, answered)
        finally:
            detach(token)

    def _send(self, body: bytes, answered: Answered | None) -> str | None:
        deadline_s = self._clock() + self._timeout_s
        attempt = 0
        while True:
            problem, wait_s = self._attempt(body, answered, deadline_s - self._clock())
            if problem is None or wait_s is None:
                return problem
            backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt) * self._jitter()  # full jitter
            wait_s = max(wait_s, backoff_s)
            if self._clock() + wait_s >= deadline_s or self._sleep(wait_s):
                return problem
            attempt += 1
            self.retries += 1

    def _attempt(
        self, body: bytes, answered: Answered | None, left_s: float
    ) -> tuple[str | None, float | None]:
        """Return (problem or None, seconds that the receiver asks to wait; None: never try this again)."""
        try:
            self.status = 0
            self.status, headers, answer = self._post(body, left_s)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}", 0.0
        if 200 <= self.status < 300:
            if answered is not None:
                answered(headers, answer)
            return None, None
        wait_s = self._retry_after_s(headers.get("retry-after", "")) if self.status in RETRYABLE else None
        return f"HTTP {self.status}: {error_text(headers, answer)}", wait_s

    def _post(self, body: bytes, left_s: float) -> tuple[int, Mapping[str, str], bytes]:
        if self._gzip:
            status, headers, answer = self._poster.post(
                gzip.compress(body, _GZIP_LEVEL), {"Content-Encoding": "gzip"}, left_s
            )
            if not (self._may_go_plain and status in _UNREADABLE):
                self._may_go_plain = False  # it reads gzip
                return status, headers, answer
            self._gzip = False
        return self._poster.post(body, {}, left_s)

    def _retry_after_s(self, value: str) -> float:
        """Return the seconds of a `Retry-After` (RFC 9110 section 10.2.3); 0 where there is none."""
        if value.isdecimal():
            return float(value)
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return 0.0
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
        return max(0.0, (when - datetime.fromtimestamp(self._now_s(), UTC)).total_seconds())

    def stop(self) -> None:
        """End a retry that waits, and send nothing more."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connection; only between two `send`."""
        self._poster.close()
