"""Reading a file store: by id, and by its indexes."""

from collections.abc import Callable, Iterable, Iterator
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
from ._search import rows

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
        self.feedback = FeedbackFiles(layout, self.day_with)

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None."""
        parts = [
            summary
            for line in self._lines(trace_id.lower())
            for summary in self._of_line(line, lambda line: [summary_of(line)])
        ]
        return self.trace(merged(parts)) if parts else None

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
        candidates = rows(self.layout, query)
        if not query.feedback:
            return candidates
        wanted = self.feedback.traces_with(query.feedback)
        return (row for row in candidates if row.summary.trace_id in wanted)

    def _scan(self, query: Query, candidates: Iterable[Row]) -> Iterator[tuple[Trace, bool]]:
        for row in candidates:
            trace = self.trace(row.summary)
            matches = query.may_match(self._lines(trace.trace_id)) and query.matches(trace.spans)
            yield trace, matches

    def trace(self, summary: Summary) -> Trace:
        """Return the trace of a summary; its spans are read when they are asked for."""
        trace_id = summary.trace_id
        return Trace(summary, lambda: self._spans(trace_id), lambda: self.feedback.of(trace_id))

    def _spans(self, trace_id: str) -> tuple[SpanView, ...]:
        found = [span for line in self._lines(trace_id) for span in self._of_line(line, spans_of)]
        # A write that failed half-way was done again whole: its first spans may be there twice.
        once = {span.span_id: span for span in found}
        return tuple(sorted(once.values(), key=lambda span: (span.start_ns, span.span_id)))

    def _lines(self, trace_id: str) -> list[bytes]:
        if not is_trace_id(trace_id):
            return []  # also keeps `../` out of paths
        return [line for day in self.layout.days() for line in self.lines_of_day(day, trace_id)]

    def lines(self, trace_id: str) -> list[bytes]:
        """Return a trace's lines as they lie in the store: each is OTLP `TracesData`, and its summary."""
        return list(self._lines(trace_id.lower()))

    def has_lines(self, day: str, trace_id: str) -> bool:
        """Return whether a day has something of a trace."""
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
        # Journals first: a line that is moved meanwhile is then in its file.
        in_journals: list[bytes] = []
        for view in self.journals(day):
            places = view.places(trace_id)
            in_journals += [line for place in places if (line := view.line(place)) is not None]
            if read_to is not None and places:
                read_to[view.name] = max(place.offset + place.size for place in places)
        whole, torn = whole_lines(self.layout.files.read(self.layout.trace_file(day, trace_id)))
        self.counts.torn_lines += torn
        # A move from a journal to a file that was interrupted leaves lines in both.
        return list(dict.fromkeys([*whole, *in_journals]))

    def trace_ids(self, day: str) -> set[str]:
        """Return the ids of a day's traces, in whichever form."""
        found = set(self.layout.trace_ids(day))
        for view in self.journals(day):
            found.update(trace_id for trace_id, _ in view.all_places())
        return found

    def ids_beginning(self, prefix: str) -> list[str]:
        """Return the ids of traces that begin so, sorted."""
        days = self.layout.days()
        return sorted({one for day in days for one in self.trace_ids(day) if one.startswith(prefix)})

    def _of_line(self, line: bytes, read: Callable[[bytes], list[T]]) -> list[T]:
        try:
            return read(line)
        except ValueError:
            self.counts.torn_lines += 1
            return []
