"""The file store: write, read and search traces in a folder."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol, TypeVar

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.otlp import Encoder

from ._content import ContentQuery
from ._fast_path import FastPath
from ._files import FILE_MODE, whole_lines
from ._growth import Growing
from ._index import Entry, Row, Rows, append_to, grouped
from ._layout import Layout
from ._lines import MAX_LINE_BYTES, lines_of, spans_of, summary_of
from ._search import FOREVER_NS, OrderBy, Progress, RowQuery, rows
from ._summary import (
    NS_PER_DAY,
    TRACE_STATUSES,
    Summary,
    day_of,
    merged,
    repeated,
    second_of,
    service_of,
    trace_id_of,
    trace_status,
)
from ._views import NS_PER_MS, SpanView, Trace

T = TypeVar("T")

_EPOCH = datetime.fromtimestamp(0, UTC)

ORDERS = ("newest", "oldest", "slowest", "fastest")


class TraceReader(Protocol):
    """Where traces are read from: this store, or another backend with the same words."""

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits), or None."""
        ...

    def search(  # noqa: PLR0913 - keywords only: a filter each
        self,
        *,
        status: str | None = None,
        min_duration_ms: float | None = None,
        max_duration_ms: float | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        name: str | None = None,
        attribute: Mapping[str, Any] | None = None,
        session: str | None = None,
        user: str | None = None,
        text: str | None = None,
        order_by: OrderBy = "newest",
        limit: int = 50,
        progress: Progress | None = None,
    ) -> list[Trace]:
        """Return the traces that match all that is given, in order."""
        ...


@dataclass
class ReadCounts:
    """What readers had to step over."""

    torn_lines: int = 0


class FileStore:
    """Traces in `path`: `<YYYY-MM-DD>/<trace_id>.json`, one OTLP `TracesData` a line, and `indexes/`.

    Any number of processes may write to one path at the same time. Nothing is made until the first write.

    file_mode: of new files, 0o600 where not given: their owner's alone. New folders can be entered by whoever
    may read the files in them; what is there already keeps its mode. Raises ValueError for a mode with which
    the owner could not read and write, or with bits other than those of reading and writing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        file_mode: int = FILE_MODE,
        max_line_bytes: int = MAX_LINE_BYTES,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.layout = Layout(path, checked_mode(file_mode))
        self.counts = ReadCounts()
        self._max_line_bytes = max_line_bytes
        self._now_ns = now_ns
        self._encoder = Encoder()
        self._growing = Growing(self.layout.files)
        self._fast_path = FastPath(
            os.fsencode(self.layout.root),
            max_line_bytes,
            self.layout.files.mode,
            head_of=self._encoder.head_of,
            service_of=lambda tracer: service_of(tracer.resource),
            second_of=second_of,
            repeated=repeated,
        )

    def __repr__(self) -> str:
        return f"FileStore({str(self.layout.root)!r})"

    # --- writing: one thread of a process at a time ---

    def write(self, traces: Iterable[Sequence[ReadableSpan]]) -> None:
        """Write groups of spans, each group of one trace, then their index rows.

        Returns when the kernel has every byte. Raises OSError; files written before it stay, and so may
        their index rows be missing: write the groups again (`verify` tells), or `reindex`.
        """
        entries = [entry for spans in traces if (entry := self.write_trace(spans)) is not None]
        self.write_index(entries)

    def write_usual(self, groups: Iterable[Sequence[ReadableSpan]]) -> tuple[int, Rows]:
        """Write the first groups by the fast path, as far as it goes; return how many, and their rows.

        What it stops at is for `write_trace`: a trace that is not usual, one that is there already, or what
        the disk refuses. Raises nothing.
        """
        count, by_place = self._fast_path.write(groups, self._now_ns())
        return count, Rows(by_place)

    def write_trace(self, spans: Sequence[ReadableSpan]) -> Entry | None:
        """Write spans of one trace to its file; return the row that the indexes must still get.

        Raises OSError, and then nothing of the group counts as written.
        """
        known = trace_id_of(spans[0]) if spans else None
        if known is None:
            return None
        trace_id = f"{known:032x}"
        lines = lines_of(trace_id, spans, self._encoder, self._max_line_bytes)
        if not lines:
            return None
        parts, texts = zip(*lines, strict=True)
        summary, data = merged(parts), b"".join(texts)
        day = self._day_for(summary)
        path = self.layout.trace_file(day, trace_id)
        # Of several rows the one stamped last is true. So the stamp is older than the file, which another
        # process may append to at once, and in `_grown` younger than our line and older than our look.
        made_ns = self._now_ns()
        if self._may_be_new(summary, path) and self._create(path, data):
            return Entry(Row(summary, made_ns, day))
        self.layout.files.append(path, data)
        return self._grown(path, day)

    def _day_for(self, summary: Summary) -> str:
        """Return the day of the trace's start: spans without a root may follow one from before midnight."""
        if not summary.has_root:
            before = day_of(summary.start_ns - NS_PER_DAY)
            if os.path.exists(self.layout.trace_file(before, summary.trace_id)):
                return before
        return summary.day

    def write_index(self, entries: Iterable[Entry | Rows]) -> None:
        """Add rows to the indexes, one write a bucket. Raises OSError."""
        for place, lines in grouped(entries).items():
            append_to(self.layout, place, lines)

    def _may_be_new(self, summary: Summary, path: str) -> bool:
        """Return False where making the file would be in vain. Spans with a root are seldom late."""
        return path not in self._growing and (summary.has_root or not os.path.exists(path))

    def _create(self, path: str, data: bytes) -> bool:
        try:
            return self.layout.files.create(path, data)
        except FileNotFoundError:
            self.layout.files.make_folder(path)
            return self.layout.files.create(path, data)

    def _grown(self, path: str, day: str) -> Entry | None:
        """Return the row of a trace with more than one line; None where it was pruned just now."""
        looked_ns = self._now_ns()
        growth = self._growing.look(path)
        summary = None if growth is None else growth.summary
        if growth is None or summary is None:
            return None
        return Entry(Row(summary, looked_ns, day), growth.told(summary))

    # --- reading ---

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None."""
        parts = [
            summary
            for line in self._lines(trace_id.lower())
            for summary in self._of_line(line, lambda line: [summary_of(line)])
        ]
        return self._trace(merged(parts)) if parts else None

    def search(  # noqa: PLR0913 - keywords only: a filter each
        self,
        *,
        status: str | None = None,
        min_duration_ms: float | None = None,
        max_duration_ms: float | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        name: str | None = None,
        attribute: Mapping[str, Any] | None = None,
        session: str | None = None,
        user: str | None = None,
        text: str | None = None,
        order_by: OrderBy = "newest",
        limit: int = 50,
        progress: Progress | None = None,
    ) -> list[Trace]:
        """Return at most `limit` traces that match all that is given, in order.

        status: ERROR where a span failed, else OK. since, until: bounds of the start, included (naive: local
        time). name: of the root span; `*` and `?` are wildcards. attribute: pairs that one span (or its
        resource) has. session: `session.id` or `gen_ai.conversation.id`. user: `user.id` or `enduser.id`.
        text: part of names, attributes, events and status messages, whatever the case.

        The first six and the order are answered by the indexes alone; the rest open files until `limit` are
        found, and `progress` is told how far they are. Raises ValueError for a status or order that is none.
        """
        query = RowQuery(
            status=checked_status(status),
            min_duration_ns=0 if min_duration_ms is None else round(min_duration_ms * NS_PER_MS),
            max_duration_ns=FOREVER_NS if max_duration_ms is None else round(max_duration_ms * NS_PER_MS),
            since_ns=0 if since is None else _ns(since),
            until_ns=FOREVER_NS if until is None else _ns(until) + 999,
            name=name,
            order_by=checked_order(order_by),
        )
        content = ContentQuery(dict(attribute or {}), session, user, text)
        if not content:
            return [self._trace(row.summary) for row in islice(rows(self.layout, query), limit)]
        return self._scan(query, content, limit, progress)

    def _scan(
        self, query: RowQuery, content: ContentQuery, limit: int, progress: Progress | None
    ) -> list[Trace]:
        candidates: Iterable[Row] = rows(self.layout, query)
        total = 0
        if progress is not None:
            candidates = list(candidates)
            total = len(candidates)
        found: list[Trace] = []
        for done, row in enumerate(candidates, 1):
            if len(found) >= limit:
                break
            trace = self._trace(row.summary)
            if content.may_match(self._lines(trace.trace_id)) and content.matches(trace.spans):
                found.append(trace)
            if progress is not None:
                progress(done, total)
        return found

    def _trace(self, summary: Summary) -> Trace:
        return Trace(summary, lambda: self._spans(summary.trace_id))

    def _spans(self, trace_id: str) -> tuple[SpanView, ...]:
        found = [span for line in self._lines(trace_id) for span in self._of_line(line, spans_of)]
        # A write that failed half-way was done again whole: its first spans may be there twice.
        once = {span.span_id: span for span in found}
        return tuple(sorted(once.values(), key=lambda span: (span.start_ns, span.span_id)))

    def _lines(self, trace_id: str) -> list[bytes]:
        lines = []
        for path in self.layout.files_of(trace_id):
            whole, torn = whole_lines(self.layout.files.read(path))
            self.counts.torn_lines += torn
            lines.extend(whole)
        return lines

    def _of_line(self, line: bytes, read: Callable[[bytes], list[T]]) -> list[T]:
        try:
            return read(line)
        except ValueError:
            self.counts.torn_lines += 1
            return []


def _ns(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def checked_mode(file_mode: int) -> int:
    """Return a mode of files. Raises ValueError for one that no store can live with."""
    if file_mode & 0o600 != 0o600 or file_mode & ~0o666:
        raise ValueError(
            f"file_mode is {file_mode:#o}: use 0o600, 0o640 or 0o644, of which the owner's bits are needed"
        )
    return file_mode


def checked_status(status: str | None) -> str | None:
    """Return a status in capitals. Raises ValueError for one that is none."""
    if status is None or (known := trace_status(status.upper())) in TRACE_STATUSES:
        return status and known
    raise ValueError(f"status is one of {', '.join(TRACE_STATUSES)}, not {status!r}")


def checked_order(order_by: OrderBy) -> OrderBy:
    """Return the order. Raises ValueError for one that is none."""
    if order_by in ORDERS:
        return order_by
    raise ValueError(f"order_by is one of {', '.join(ORDERS)}, not {order_by!r}")
