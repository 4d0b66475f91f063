"""What one line of a trace file says about its spans, and how the summaries of several lines become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

KEPT_BECAUSE = "tollway.kept_because"
"""The attribute, on the local root span, that says why its trace was kept."""

NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Summary:
    """The facts about a trace that searching needs."""

    trace_id: str
    start_ns: int
    duration_ns: int
    status: str
    root_name: str | None
    kept_because: str | None
    span_count: int
    service: str | None
    has_root: bool
    """A span without a parent is among them, so the name, the service and the status are the trace's own."""

    @property
    def end_ns(self) -> int:
        """When the last span ended."""
        return self.start_ns + self.duration_ns

    @property
    def day(self) -> str:
        """The UTC date of the start, which is the folder's name."""
        return day_of(self.start_ns)

    def to_object(self) -> dict[str, Any]:
        """Return the `summary` field of a line."""
        return {
            "start": iso_of(self.start_ns),
            "duration_ms": self.duration_ns / 1e6,
            "status": self.status,
            "root_name": self.root_name,
            "kept_because": self.kept_because,
            "span_count": self.span_count,
            "service": self.service,
            "has_root": self.has_root,
        }

    @classmethod
    def from_object(cls, trace_id: str, item: Mapping[str, Any]) -> "Summary":
        """Return the summary that `to_object` wrote. Raises KeyError, TypeError or ValueError otherwise."""
        return cls(
            trace_id=trace_id,
            start_ns=ns_of(item["start"]),
            duration_ns=round(item["duration_ms"] * 1e6),
            status=item["status"],
            root_name=item["root_name"],
            kept_because=item["kept_because"],
            span_count=item["span_count"],
            service=item["service"],
            has_root=item["has_root"],
        )


def day_of(unix_ns: int) -> str:
    """Return the UTC date, `YYYY-MM-DD`."""
    return datetime.fromtimestamp(unix_ns // NS_PER_S, UTC).strftime("%Y-%m-%d")


def iso_of(unix_ns: int) -> str:
    """Return RFC 3339 with all nine digits of the nanoseconds."""
    seconds, rest_ns = divmod(unix_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


def ns_of(text: str) -> int:
    """Return Unix nanoseconds of what `iso_of` wrote."""
    seconds = int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())
    return seconds * NS_PER_S + int(text[20:29])


def summarise(trace_id: str, spans: Sequence[ReadableSpan]) -> Summary:
    """Return the summary of spans of one trace."""
    start_ns = min(span.start_time or 0 for span in spans)
    end_ns = max(span.end_time or 0 for span in spans)
    root = min(spans, key=_root_rank)
    failed = any(span.status.status_code is StatusCode.ERROR for span in spans)
    attributes = root.attributes or {}
    service = root.resource.attributes.get("service.name")
    kept = attributes.get(KEPT_BECAUSE)
    return Summary(
        trace_id=trace_id,
        start_ns=start_ns,
        duration_ns=max(0, end_ns - start_ns),
        status="ERROR" if failed else root.status.status_code.name,
        root_name=str(root.name),
        kept_because=None if kept is None else str(kept),
        span_count=len(spans),
        service=None if service is None else str(service),
        has_root=root.parent is None,
    )


def _root_rank(span: ReadableSpan) -> tuple[int, int]:
    """The root first, then local roots, then whatever started first."""
    parent = span.parent
    return (0 if parent is None else 1 if parent.is_remote else 2), span.start_time or 0


def is_local_root(span: ReadableSpan) -> bool:
    """Return whether the span is the first of its trace in its process."""
    parent = span.parent
    return parent is None or parent.is_remote


def merged(summaries: Iterable[Summary]) -> Summary:
    """Return the summary of a trace from those of its lines, in the order they were written."""
    parts = list(summaries)
    main = min(parts, key=lambda part: (not part.has_root, part.kept_because is None, part.start_ns))
    start_ns = min(part.start_ns for part in parts)
    end_ns = max(part.end_ns for part in parts)
    return replace(
        main,
        start_ns=start_ns,
        duration_ns=end_ns - start_ns,
        status="ERROR" if any(part.status == "ERROR" for part in parts) else main.status,
        span_count=sum(part.span_count for part in parts),
    )
