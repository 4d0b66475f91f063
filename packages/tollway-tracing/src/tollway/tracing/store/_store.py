"""The file store: write, read and search traces in a folder."""

import os
import time
from collections.abc import Callable, Iterable, Sequence

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.otlp import Encoder
from tollway.tracing.otlp._sources import trace_id_of
from tollway.tracing.records import Record
from tollway.tracing.summary import NS_PER_DAY, Summary, day_of, merged, repeated, second_of

from ._fast_path import FastPath
from ._files import FILE_MODE
from ._growth import Growing
from ._index import Entry, Row, Rows, append_to, grouped
from ._layout import Layout
from ._lines import MAX_LINE_BYTES, lines_of
from ._reader import StoreReader

Ended = ReadableSpan | Record
"""What a store takes: a span of any SDK, or one that came as OTLP."""


class FileStore(StoreReader):
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
        super().__init__(Layout(path, checked_mode(file_mode)))
        self._max_line_bytes = max_line_bytes
        self._now_ns = now_ns
        self._encoder = Encoder()
        self._growing = Growing(self.layout.files)
        self._fast_path = FastPath(
            os.fsencode(self.layout.root),
            max_line_bytes,
            self.layout.files.mode,
            origin_of=lambda tracer: self._encoder.origin_of(tracer.resource, tracer.scope),
            second_of=second_of,
            repeated=repeated,
        )

    def __repr__(self) -> str:
        return f"FileStore({str(self.layout.root)!r})"

    # --- writing: one thread of a process at a time ---

    def write(self, traces: Iterable[Sequence[Ended]]) -> None:
        """Write groups of spans, each group of one trace, then their index rows.

        Returns when the kernel has every byte. Raises OSError; files written before it stay, and so may
        their index rows be missing: write the groups again (`verify` tells), or `reindex`.
        """
        entries = [entry for spans in traces if (entry := self.write_trace(spans)) is not None]
        self.write_index(entries)

    def write_usual(self, groups: Iterable[Sequence[Ended]]) -> tuple[int, Rows]:
        """Write the first groups by the fast path, as far as it goes; return how many, and their rows.

        What it stops at is for `write_trace`: a trace that is not usual, one that is there already, or what
        the disk refuses. Raises nothing.
        """
        count, by_place = self._fast_path.write(groups, self._now_ns())
        return count, Rows(by_place)

    def write_trace(self, spans: Sequence[Ended]) -> Entry | None:
        """Write spans of one trace to its file; return the row that the indexes must still get.

        Raises OSError, and then nothing of the group counts as written.
        """
        known = trace_id_of(spans[0]) if spans else None
        if known is None:
            return None
        trace_id = f"{known:032x}"
        lines = lines_of(trace_id, self._encoder.records(spans), self._max_line_bytes)
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


def checked_mode(file_mode: int) -> int:
    """Return a mode of files. Raises ValueError for one that no store can live with."""
    if file_mode & 0o600 != 0o600 or file_mode & ~0o666:
        raise ValueError(
            f"file_mode is {file_mode:#o}: use 0o600, 0o640 or 0o644, of which the owner's bits are needed"
        )
    return file_mode
