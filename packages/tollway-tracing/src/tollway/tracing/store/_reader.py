"""Reading a file store: by id, and by its indexes."""

import logging
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from tollway.tracing.readers import Progress, Query, SpanView, Trace, TraceReader
from tollway.tracing.summary import Summary, merged

from ._feedback import FeedbackFiles
from ._files import whole_lines
from ._index import Row
from ._journal import JournalView
from ._layout import Layout, is_trace_id
from ._lines import spans_of, summary_of
from ._sealed import SealedDay, SealedDays
from ._search import rows
from ._segment import DamagedSegmentError

_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class ReadCounts:
    """What readers had to step over."""

    torn_lines: int = 0


class StoreReader(TraceReader):
    """Reads the traces of a store, whoever writes them."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.counts = ReadCounts()
        self.sealed = SealedDays(layout)
        self.feedback = FeedbackFiles(layout, self.day_with)

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None."""
        parts: list[Summary] = []
        days = []
        for day, lines in self._lines_by_day(trace_id.lower()):
            days.append(day)
            for line in lines:
                parts += self._of_line(line, lambda line: [summary_of(line)])
        return self.trace(merged(parts), days) if parts else None

    def find(self, query: Query, progress: Progress | None = None) -> list[Trace]:
        """Return the traces that match a query, in its order, at most its limit.

        What summaries tell is answered by the indexes alone. Else traces are opened until enough are found,
        and `progress` is told how far that is.
        """
        candidates: Iterable[Row] = self._candidates(query)
        if not query.reads_spans:
            return [self.trace(row.summary) for row in islice(candidates, query.limit)]
        total = 0
        if progress is not None:
            candidates = list(candidates)
            total = len(candidates)
        found: list[Trace] = []
        for done, (trace, matches) in enumerate(self._scan(query, candidates), 1):
            if matches:
                found.append(trace)
            if progress is not None:
                progress(done, total)
            if len(found) >= query.limit:
                break
        return found[: query.limit]

    def scan(self, query: Query) -> Iterator[tuple[Trace, bool]]:
        """See `TraceReader.scan`; reads of the indexes and of traces only what is taken."""
        if query.reads_spans:
            return self._scan(query, self._candidates(query))
        return ((self.trace(row.summary), True) for row in self._candidates(query))

    def _candidates(self, query: Query) -> Iterator[Row]:
        candidates = rows(self.layout, self.sealed, query)
        if not query.feedback:
            return candidates
        wanted = self.feedback.traces_with(query.feedback)
        return (row for row in candidates if row.summary.trace_id in wanted)

    def _scan(self, query: Query, candidates: Iterable[Row]) -> Iterator[tuple[Trace, bool]]:
        for row in candidates:
            trace = self.trace(row.summary)
            matches = query.may_match(self._lines(trace.trace_id)) and query.matches(trace.spans)
            yield trace, matches

    def trace(self, summary: Summary, days: Iterable[str] | None = None) -> Trace:
        """Return the trace of a summary; its spans are read when they are asked for.

        days: those that have something of it, where that is known.
        """
        trace_id = summary.trace_id
        return Trace(summary, lambda: self._spans(trace_id, days), lambda: self.feedback.of(trace_id))

    def _spans(self, trace_id: str, days: Iterable[str] | None = None) -> tuple[SpanView, ...]:
        lines = [line for _, some in self._lines_by_day(trace_id, days) for line in some]
        found = [span for line in lines for span in self._of_line(line, spans_of)]
        # A write that failed half-way was done again whole: its first spans may be there twice.
        once = {span.span_id: span for span in found}
        return tuple(sorted(once.values(), key=lambda span: (span.start_ns, span.span_id)))

    def spans_of(self, trace_ids: Container[str]) -> Iterator[SpanView]:
        """Yield the spans of many traces, a day after the other, as they lie: no index is looked at."""
        for day in self.layout.days():
            for trace_id, lines in self._traces_of(day):
                if trace_id in trace_ids:
                    found = [span for line in lines for span in self._of_line(line, spans_of)]
                    yield from {span.span_id: span for span in found}.values()

    def _traces_of(self, day: str) -> Iterator[tuple[str, list[bytes]]]:
        """Yield the traces of a day, each with its lines: what is only sealed as it lies there."""
        beside, sealed = self.sealed.together(day, lambda: self.ids_beside(day))
        for segment in sealed.segments:
            for row, trace_id in enumerate(segment.trace_ids()):
                if trace_id not in beside:
                    yield trace_id, list(dict.fromkeys(whole_lines(segment.data(row))[0]))
        for trace_id in beside:
            yield trace_id, self.lines_of_day(day, trace_id)

    def _lines(self, trace_id: str) -> list[bytes]:
        return [line for _, lines in self._lines_by_day(trace_id) for line in lines]

    def _lines_by_day(
        self, trace_id: str, days: Iterable[str] | None = None
    ) -> Iterator[tuple[str, list[bytes]]]:
        """Yield the days, of those given or of all, that have lines of a trace, and these."""
        if not is_trace_id(trace_id):
            return  # also keeps `../` out of paths
        for day in self.layout.days() if days is None else days:
            if lines := self.lines_of_day(day, trace_id):
                yield day, lines

    def lines(self, trace_id: str) -> list[bytes]:
        """Return a trace's lines as they lie in the store: each is OTLP `TracesData`, and its summary."""
        return list(self._lines(trace_id.lower()))

    def has_lines(self, day: str, trace_id: str) -> bool:
        """Return whether a day has something of a trace."""
        is_beside, sealed = self.sealed.together(day, lambda: self._has_beside(day, trace_id))
        return is_beside or sealed.find(trace_id) is not None

    def _has_beside(self, day: str, trace_id: str) -> bool:
        return self.layout.files.exists(self.layout.trace_file(day, trace_id)) or any(
            view.places(trace_id) for view in self.journals(day)
        )

    def day_with(self, trace_id: str) -> str | None:
        """Return the first day that has something of a trace."""
        if not is_trace_id(trace_id):
            return None
        return next((day for day in self.layout.days() if self.has_lines(day, trace_id)), None)

    def journals(self, day: str) -> list[JournalView]:
        """Return a day's journals."""
        return [JournalView(self.layout.files, path) for path in self.layout.journals(day)]

    def lines_of_day(self, day: str, trace_id: str, read_to: dict[str, int] | None = None) -> list[bytes]:
        """Return a trace's lines of a day, in whichever form, each once.

        read_to: is told how far each journal was read.
        """
        (data, in_journals), sealed = self.sealed.together(day, lambda: self._beside(day, trace_id, read_to))
        found = []
        for part in (self._sealed_data(sealed, trace_id), data):
            whole, torn = whole_lines(part)
            self.counts.torn_lines += torn
            found += whole
        # A move from a journal to a file, or into a segment, that was interrupted leaves lines in both.
        return list(dict.fromkeys([*found, *in_journals]))

    def _beside(
        self, day: str, trace_id: str, read_to: dict[str, int] | None = None
    ) -> tuple[bytes, list[bytes]]:
        """Return what a trace's file has, and its lines in journals."""
        # Journals first: a line that is moved meanwhile is then in its file.
        in_journals: list[bytes] = []
        for view in self.journals(day):
            places = view.places(trace_id)
            in_journals += [line for place in places if (line := view.line(place)) is not None]
            if read_to is not None and places:
                read_to[view.name] = max(place.offset + place.size for place in places)
        path = self.layout.trace_file(day, trace_id)
        return self.layout.files.read(path) if self.layout.files.exists(path) else b"", in_journals

    def _sealed_data(self, sealed: SealedDay, trace_id: str) -> bytes:
        try:
            place = sealed.find(trace_id)
            return b"" if place is None else place[0].data(place[1])
        except DamagedSegmentError as error:
            self.counts.torn_lines += 1
            _logger.error("cannot read a sealed trace: %s", error)
            return b""

    def trace_ids(self, day: str) -> set[str]:
        """Return the ids of a day's traces, in whichever form."""
        found, sealed = self.sealed.together(day, lambda: self.ids_beside(day))
        for segment in sealed.segments:
            found.update(segment.trace_ids())
        return found

    def ids_beside(self, day: str) -> set[str]:
        """Return the ids of a day's traces that have files or lines in journals."""
        found = set(self.layout.trace_ids(day))
        for view in self.journals(day):
            found.update(trace_id for trace_id, _ in view.all_places())
        return found

    def ids_beginning(self, prefix: str) -> list[str]:
        """Return the ids of traces that begin so, sorted."""
        found: set[str] = set()
        for day in self.layout.days():
            beside, sealed = self.sealed.together(day, lambda day=day: self.ids_beside(day))  # type: ignore[misc]  # its default
            found.update(one for one in beside if one.startswith(prefix))
            found.update(one for segment in sealed.segments for one in segment.beginning(prefix))
        return sorted(found)

    def _of_line(self, line: bytes, read: Callable[[bytes], list[T]]) -> list[T]:
        try:
            return read(line)
        except ValueError:
            self.counts.torn_lines += 1
            return []
