"""Reading traces from Jaeger 2 with the words of the file store.

Jaeger's version 3 API answers in OTLP, which is what trace files hold: one reader of spans serves both.
https://www.jaegertracing.io/docs/latest/architecture/apis/
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tollway.tracing._redaction import redacted_url
from tollway.tracing.engine import KEPT_BECAUSE
from tollway.tracing.otlp import split_credentials
from tollway.tracing.otlp._decode import spans_of_object
from tollway.tracing.summary import Summary

from ._reader import TraceReader
from .query import FOREVER_NS, Progress, Query
from .views import SpanView, Trace, time_of

__all__ = ["JaegerError", "JaegerReader"]

NOT_FOUND = 404

DEEPEST = 10_000
"""How many traces of a service one search looks at, unless told otherwise: Jaeger has no search in pages."""


class JaegerError(Exception):
    """Jaeger could not be asked, or its answer was none."""


class JaegerReader(TraceReader):
    """Traces of a Jaeger 2, by the URL of its web page.

    Jaeger itself answers by service and time; the rest is looked at here, in the newest `depth` traces of
    each service. lookback_s: how far back a search goes that gives no `since`.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        lookback_s: float = 7 * 86_400,
        depth: int = DEEPEST,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        if not _is_address(url):
            shown = redacted_url(url)
            raise ValueError(f"a Jaeger's URL begins with http:// or https://, not {shown!r}")
        url, self._credentials = split_credentials(url)
        self._url = url.rstrip("/")
        self._shown = redacted_url(self._url)
        self._timeout_s = timeout_s
        self._lookback_s = lookback_s
        self._depth = depth
        self._now_s = now_s

    def __repr__(self) -> str:
        return f"JaegerReader({self._shown!r})"

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None. Raises JaegerError."""
        answer = self._ask(f"traces/{urllib.parse.quote(trace_id.lower(), safe='')}")
        found = _traces(answer)
        return found[0] if found else None

    def find(self, query: Query, progress: Progress | None = None) -> list[Trace]:
        """Return the traces that match a query, in its order, at most its limit.

        `progress` is told of services. Raises JaegerError.
        """
        found = [
            trace
            for trace in self._candidates(query, progress)
            if query.admits(trace.summary) and (not query.reads_spans or query.matches(trace.spans))
        ]
        return sorted(found, key=lambda trace: query.order_key(trace.summary))[: query.limit]

    def _candidates(self, query: Query, progress: Progress | None) -> list[Trace]:
        """Return the newest traces of every service within the time, each once."""
        now_s = self._now_s()
        earliest = _moment(query.since_ns, query.since_ns > 0, now_s - self._lookback_s)
        latest = _moment(query.until_ns, query.until_ns < FOREVER_NS, now_s + 60)  # clocks differ
        services = (self._ask("services") or {}).get("services", [])
        found: dict[str, Trace] = {}
        for done, service in enumerate(services, 1):
            asked = {
                "query.service_name": service,
                "query.start_time_min": _rfc3339(earliest),
                "query.start_time_max": _rfc3339(latest),
                "query.num_traces": self._depth,
            }
            for trace in _traces(self._ask(f"traces?{urllib.parse.urlencode(asked)}")):
                found[trace.trace_id] = trace
            if progress is not None:
                progress(done, len(services))
        return list(found.values())

    def _ask(self, path: str) -> dict[str, Any] | None:
        """Return the answer of the version 3 API; None where nothing is found."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked by __init__
            f"{self._url}/api/v3/{path}", headers={"Accept": "application/json", **self._credentials}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310 - as above
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == NOT_FOUND:
                    return None
                raise JaegerError(f"{self._shown} answered {error.code}: {_message(error)}") from None
        except (OSError, http.client.HTTPException) as error:
            raise JaegerError(f"no answer from Jaeger at {self._shown}: {error}") from None
        except (ValueError, RecursionError):
            raise JaegerError(
                f"{self._shown} does not answer in JSON: is it Jaeger's query service?"
            ) from None
        if not isinstance(said, dict):
            raise JaegerError(f"{self._shown} does not answer as Jaeger does")
        return said


def _is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _moment(unix_ns: int, is_given: bool, otherwise_s: float) -> datetime:
    return time_of(unix_ns) if is_given else datetime.fromtimestamp(otherwise_s, UTC)


def _message(error: urllib.error.HTTPError) -> str:
    said = error.read(2000).decode(errors="replace").strip()
    try:
        return str(json.loads(said)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return said[:200]


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _traces(answer: Mapping[str, Any] | None) -> list[Trace]:
    """Return the traces of an answer: Jaeger puts the spans of all of them into one list."""
    grouped: dict[str, dict[str, SpanView]] = {}
    try:
        for span in spans_of_object(_result(answer)):
            grouped.setdefault(span.trace_id, {})[span.span_id] = span
    except ValueError as error:
        raise JaegerError("Jaeger's answer is not OTLP") from error
    return [_trace(trace_id, list(spans.values())) for trace_id, spans in grouped.items()]


def _result(answer: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return {"resourceSpans": (answer or {}).get("result", {}).get("resourceSpans", [])}


def _trace(trace_id: str, spans: Sequence[SpanView]) -> Trace:
    ordered = tuple(sorted(spans, key=lambda span: (span.start_ns, span.span_id)))
    return Trace(_summary(trace_id, ordered), lambda: ordered)


def _summary(trace_id: str, spans: Sequence[SpanView]) -> Summary:
    """Return what a line of the store says of its spans, from spans that were read."""
    root = min(spans, key=_root_rank)
    start_ns = min(span.start_ns for span in spans)
    return Summary(
        trace_id=trace_id,
        start_ns=start_ns,
        duration_ns=max(0, max(span.end_ns for span in spans) - start_ns),
        status="ERROR" if any(span.status == "ERROR" for span in spans) else "OK",
        root_name=root.name,
        kept_because=next(_kept([root, *spans]), None),
        span_count=len(spans),
        service=root.service,
        has_root=root.parent_id is None,
    )


def _kept(spans: Sequence[SpanView]) -> Iterator[str]:
    return (str(span.attributes[KEPT_BECAUSE]) for span in spans if KEPT_BECAUSE in span.attributes)


def _root_rank(span: SpanView) -> tuple[int, int]:
    """The root first, then local roots, then whatever started first."""
    return (0 if span.parent_id is None else 1 if span.parent_is_remote else 2), span.start_ns
