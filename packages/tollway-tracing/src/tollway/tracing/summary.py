"""What one line of a trace file says about its spans, and how the summaries of several lines become one."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from ._json import to_json
from .records import ROOT, Record

NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S

MAX_NS = 2**63 - 1
"""The latest moment, in the year 2262, and the longest time: what OTLP's numbers and a calendar can hold."""

TRACE_STATUSES = ("OK", "ERROR")
"""A trace in which no span failed is `OK`. A span's own status may also be OpenTelemetry's UNSET."""


class Summary(NamedTuple):
    """The facts about a trace that searching needs."""

    trace_id: str
    start_ns: int
    duration_ns: int
    status: str
    """One of `TRACE_STATUSES`."""
    root_name: str | None
    kept_because: str | None
    span_count: int
    service: str | None
    has_root: bool
    """A span without a parent is among them, so the name and the service are the trace's own."""

    @property
    def end_ns(self) -> int:
        """When the last span ended."""
        return self.start_ns + self.duration_ns

    @property
    def day(self) -> str:
        """The UTC date of the start, which is the folder's name."""
        return day_of(self.start_ns)

    def to_json(self) -> bytes:
        """Return the `summary` field of a line."""
        times = f'{{"start":"{iso_of(self.start_ns)}","duration_ms":{self.duration_ns / 1e6!r},'
        return times.encode() + repeated(*self[3:])[0]

    def to_row(self) -> bytes:
        """Return the summary as the end of an index row, up to the bracket that closes it."""
        trace_id, start_ns, duration_ns, *shared = self
        return b'"%b",%d,%d,%b' % (trace_id.encode(), start_ns, duration_ns, repeated(*shared)[1])

    @classmethod
    def from_object(cls, trace_id: str, item: Mapping[str, Any]) -> "Summary":
        """Return the summary that `to_json` wrote.

        Raises KeyError, TypeError, ValueError or OverflowError otherwise.
        """
        summary = cls(
            trace_id=trace_id,
            start_ns=ns_of(item["start"]),
            duration_ns=round(item["duration_ms"] * 1e6),
            status=trace_status(item["status"]),
            root_name=item["root_name"],
            kept_because=item["kept_because"],
            span_count=item["span_count"],
            service=item["service"],
            has_root=item["has_root"],
        )
        if not summary.is_sound:
            raise ValueError("not a summary")
        return summary

    @property
    def is_sound(self) -> bool:
        """Whether it can be one: what lies in a file or an index may be anybody's."""
        trace_id, start_ns, duration_ns, status, *texts, span_count, service, _ = self
        return (
            type(trace_id) is str
            and type(start_ns) is type(duration_ns) is type(span_count) is int
            and 0 <= start_ns <= MAX_NS
            and 0 <= duration_ns <= MAX_NS
            and status in TRACE_STATUSES
            and all(text is None or type(text) is str for text in (*texts, service))
        )


def trace_status(word: str) -> str:
    """Return the status of a trace by a word for it: earlier versions wrote `UNSET` where no span failed."""
    return "OK" if word == "UNSET" else word


@lru_cache(maxsize=1_024)
def repeated(
    status: str,
    root_name: str | None,
    kept_because: str | None,
    span_count: int,
    service: str | None,
    has_root: bool,
) -> tuple[bytes, bytes]:
    """Return what the summaries of many traces share, as the end of an object and as that of an array."""
    facts = {
        "status": status,
        "root_name": root_name,
        "kept_because": kept_because,
        "span_count": span_count,
        "service": service,
        "has_root": has_root,
    }
    return to_json(facts)[1:], to_json(list(facts.values()))[1:]


def day_of(unix_ns: int) -> str:
    """Return the UTC date, `YYYY-MM-DD`."""
    return second_of(unix_ns // NS_PER_DAY * (NS_PER_DAY // NS_PER_S))[:10]


def iso_of(unix_ns: int) -> str:
    """Return RFC 3339 with all nine digits of the nanoseconds."""
    seconds, rest_ns = divmod(unix_ns, NS_PER_S)
    return f"{second_of(seconds)}.{rest_ns:09d}Z"


@lru_cache(maxsize=256)
def second_of(unix_s: int) -> str:
    """Return RFC 3339 up to the second: traces come by the thousand a second."""
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%S}"


def ns_of(text: str) -> int:
    """Return Unix nanoseconds of what `iso_of` wrote."""
    seconds = int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())
    return seconds * NS_PER_S + int(text[20:29])


def summarise(trace_id: str, records: Sequence[Record]) -> Summary:
    """Return the summary of spans of one trace."""
    start_ns = min(record.start_ns for record in records)
    root = min(records, key=lambda record: (record.distance, record.start_ns))
    return Summary(
        trace_id,
        start_ns,
        max(0, max(record.end_ns for record in records) - start_ns),
        "ERROR" if any(record.failed for record in records) else "OK",
        root.name,
        root.kept_because,
        len(records),
        root.origin.service,
        root.distance == ROOT,
    )


class Merging:
    """What the lines of a trace amount to, in the order they were written, one after the other."""

    __slots__ = ("_end_ns", "_failed", "_main", "_span_count", "_start_ns")

    def __init__(self, first: Summary) -> None:
        self._main = first
        self._start_ns, self._end_ns = first.start_ns, first.end_ns
        self._failed = first.status == "ERROR"
        self._span_count = first.span_count

    def add(self, part: Summary) -> None:
        """Take another line in; it costs the same however many came before."""
        if _rank(part) < _rank(self._main):
            self._main = part
        self._start_ns = min(self._start_ns, part.start_ns)
        self._end_ns = max(self._end_ns, part.end_ns)
        self._failed = self._failed or part.status == "ERROR"
        self._span_count += part.span_count

    @property
    def summary(self) -> Summary:
        """Of the trace, as far as it is known."""
        return self._main._replace(
            start_ns=self._start_ns,
            duration_ns=self._end_ns - self._start_ns,
            status="ERROR" if self._failed else "OK",
            span_count=self._span_count,
        )


def _rank(part: Summary) -> tuple[Any, ...]:
    """The line that speaks for its trace comes first, in whichever order the lines are read."""
    texts = (str(part.root_name), str(part.service), str(part.kept_because))
    return not part.has_root, part.kept_because is None, part.start_ns, texts


def merged(summaries: Iterable[Summary]) -> Summary:
    """Return the summary of a trace from those of its lines, in the order they were written."""
    first, *others = summaries
    if not others:
        return first
    merging = Merging(first)
    for part in others:
        merging.add(part)
    return merging.summary
