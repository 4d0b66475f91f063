"""Reading a file store: by id, and by its indexes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from tollway.tracing.readers import Progress, Query, SpanView, Trace, TraceReader
from tollway.tracing.summary import Summary, merged

from ._feedback import FeedbackFiles
from ._files import whole_lines
from ._index import Row
from ._layout import Layout
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
        self.feedback = FeedbackFiles(layout)

    def get(self, trace_id: str) -> Trace | None:
        """Return a trace by its id (32 hex digits, any case), or None."""
        parts = [
            summary
            for line in self._lines(trace_id.lower())
            for summary in self._of_line(line, lambda line: [summary_of(line)])
        ]
        return self._trace(merged(parts)) if parts else None

    def find(self, query: Query, progress: Progress | None = None) -> list[Trace]:
        """Return the traces that match a query, in its order, at most its limit.

        What summaries tell is answered by the indexes alone. Else traces are opened until enough are found,
        and `progress` is told how far that is.
        """
        candidates: Iterable[Row] = rows(self.layout, query)
        if query.feedback:
            wanted = self.feedback.traces_with(query.feedback)
            candidates = (row for row in candidates if row.summary.trace_id in wanted)
        if not query.reads_spans:
            return [self._trace(row.summary) for row in islice(candidates, query.limit)]
        return self._scan(query, candidates, progress)

    def _scan(self, query: Query, candidates: Iterable[Row], progress: Progress | None) -> list[Trace]:
        total = 0
        if progress is not None:
            candidates = list(candidates)
            total = len(candidates)
        found: list[Trace] = []
        for done, row in enumerate(candidates, 1):
            if len(found) >= query.limit:
                break
            trace = self._trace(row.summary)
            if query.may_match(self._lines(trace.trace_id)) and query.matches(trace.spans):
                found.append(trace)
            if progress is not None:
                progress(done, total)
        return found

    def _trace(self, summary: Summary) -> Trace:
        trace_id = summary.trace_id
        return Trace(summary, lambda: self._spans(trace_id), lambda: self.feedback.of(trace_id))

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
