"""The OTLP/HTTP exporter, in protocol buffers or JSON, for our batch processor or any other.

What is retried, and how the endpoint is made, is the specification's:
https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

import gzip
import http.client
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, get_args

from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tollway.tracing._private.api import SUPPRESS_INSTRUMENTATION_KEY
from tollway.tracing._redaction import redacted_url
from tollway.tracing.semconv.dialects import DIALECTS

from ._answer import error_text, rejected_spans
from ._encode import Encoder
from ._http import Poster, TLSFiles, is_loopback, split_credentials, traces_url
from ._protobuf import ProtobufEncoder
from ._proxies import proxy_for

_logger = logging.getLogger(__name__)

RETRYABLE = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""

FIRST_BACKOFF_S = 1.0
MAX_BACKOFF_S = 30.0

Sleep = Callable[[float], bool]
"""Waits so many seconds, or less and returns True when the exporter is shut down meanwhile."""


@dataclass
class ExportCounts:
    """What became of the spans; numbers only grow."""

    exported_spans: int = 0
    rejected_spans: int = 0
    """Spans that the receiver refused in an otherwise successful answer (partial success)."""
    failed_spans: int = 0
    """Spans of batches that were given up."""
    retries: int = 0


Protocol = Literal["http/protobuf", "http/json"]

_GZIP_LEVEL = 1

_UNREADABLE = frozenset({400, 415})
"""Statuses of a receiver that may not read gzip."""


class OTLPExporter(SpanExporter):
    """Sends spans to `endpoint` + `/v1/traces` (or to `traces_endpoint` as it is) by OTLP over HTTP.

    dialect: what attributes are called for the receiver: genai, openinference (Phoenix), mlflow or langfuse.
    compression: gzip or none; where it is not given, spans go by gzip, but plain on loopback, where no wire
    is saved, and to a receiver that refuses gzip.
    User and password in the URL become an `Authorization` header; neither they nor a query are ever logged.
    tls: whom to trust, and a certificate of our own. proxies: variables such as HTTPS_PROXY and NO_PROXY.
    timeout_s bounds one `export`, retries included. Not for use by several threads at once, as the
    specification says of exporters.
    """

    def __init__(  # noqa: PLR0913 - keywords with defaults: a setting each
        self,
        endpoint: str = "http://localhost:4318",
        *,
        protocol: Protocol = "http/protobuf",
        dialect: str = "genai",
        traces_endpoint: str | None = None,
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
        if protocol not in get_args(Protocol):
            raise ValueError(f"protocol is one of {', '.join(get_args(Protocol))}, not {protocol!r}")
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
        self.url, credentials = split_credentials(traces_endpoint or traces_url(endpoint))
        self.counts = ExportCounts()
        self._gzip = compression == "gzip" or (compression is None and not is_loopback(self.url))
        self._may_go_plain = compression is None
        self._timeout_s = timeout_s
        self._clock = clock
        self._now_s = now_s
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._jitter = jitter
        encoder = Encoder if protocol == "http/json" else ProtobufEncoder
        self._encoder = encoder(DIALECTS[dialect])
        own = {"Content-Type": self._encoder.content_type, "User-Agent": "tollway-tracing"}
        self._poster = Poster(
            self.url,
            {**own, **credentials, **(headers or {})},
            timeout_s,
            tls=tls,
            proxy=proxy_for(self.url, proxies or {}),
        )
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; retry what may succeed within the time. Never raises."""
        if self._stopped.is_set():
            self.counts.failed_spans += len(spans)
            return SpanExportResult.FAILURE
        body = self._encoder.traces_data(spans)
        token = attach(set_value(SUPPRESS_INSTRUMENTATION_KEY, True))  # else our own request makes spans
        try:
            problem = self._send(body)
        finally:
            detach(token)
        return self._succeeded(len(spans)) if problem is None else self._failed(len(spans), problem)

    def _succeeded(self, spans: int) -> SpanExportResult:
        self.counts.exported_spans += spans
        self._failing = False
        return SpanExportResult.SUCCESS

    def _failed(self, spans: int, problem: str) -> SpanExportResult:
        self.counts.failed_spans += spans
        if not self._failing:  # one line for an outage, not one for each batch
            self._failing = True
            _logger.warning("cannot export spans to %s: %s", redacted_url(self.url), problem)
        return SpanExportResult.FAILURE

    def _send(self, body: bytes) -> str | None:
        """Post with retries; return what went wrong in the end, or None."""
        deadline_s = self._clock() + self._timeout_s
        attempt = 0
        while True:
            problem, wait_s = self._attempt(body, deadline_s - self._clock())
            if problem is None or wait_s is None:
                return problem
            backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt) * self._jitter()  # full jitter
            wait_s = max(wait_s, backoff_s)
            if self._clock() + wait_s >= deadline_s or self._sleep(wait_s):
                return problem
            attempt += 1
            self.counts.retries += 1

    def _attempt(self, body: bytes, left_s: float) -> tuple[str | None, float | None]:
        """Return (problem or None, seconds that the receiver asks to wait; None: never try this again)."""
        try:
            status, headers, answer = self._post(body, left_s)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}", 0.0
        if 200 <= status < 300:
            self._note_rejected(*rejected_spans(headers, answer))
            return None, None
        wait_s = self._retry_after_s(headers.get("retry-after", "")) if status in RETRYABLE else None
        return f"HTTP {status}: {error_text(headers, answer)}", wait_s

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

    def _note_rejected(self, rejected: int, why: str) -> None:
        if rejected > 0:
            self.counts.rejected_spans += rejected
            self.counts.exported_spans -= rejected
            _logger.warning("%s rejected %d spans: %s", redacted_url(self.url), rejected, why)

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

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept between exports."""
        return True

    def shutdown(self) -> None:
        """End a retry that waits, and refuse later exports."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connection; only between exports."""
        self._poster.close()


class OTLPJsonExporter(OTLPExporter):
    """Sends spans as OTLP JSON."""

    def __init__(self, endpoint: str = "http://localhost:4318", **options: Any) -> None:
        super().__init__(endpoint, protocol="http/json", **options)
