"""The file store: write, read and search traces in a folder."""

import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.otlp import Encoder
from tollway.tracing.otlp._sources import trace_id_of
from tollway.tracing.records import Record
from tollway.tracing.summary import NS_PER_DAY, Summary, day_of, merged, repeated, second_of

from ._fast_path import FastPath
from ._files import FILE_MODE
from ._growth import Growing, Growth
from ._index import BY_DURATION, BY_STATUS, Entry, Row, Rows, append_to, grouped
from ._journal import Journal
from ._layout import Layout
from ._lines import MAX_LINE_BYTES, lines_of
from ._reader import StoreReader
from ._sealed import NOT_SEALED
from ._seen import Others, Seen
from ._settle import Move, left_behind

Ended = ReadableSpan | Record
"""What a store takes: a span of any SDK, or one that came as OTLP."""

MAX_JOURNALS = 4
"""Days that are written to at the same time."""

LONG_NS = 10_000_000_000
"""A trace that took longer may have got lines that are forgotten; the compiled way leaves it to us."""

LATE_NS = 6 * 3600 * 1_000_000_000
"""How long after midnight spans without a root may belong to the day before."""

Form = Literal["files", "journal"]
"""What a store's writer makes of its journals: a file for each trace, or nothing."""


class FileStore(StoreReader):
    """Traces in `path`: `<YYYY-MM-DD>/<trace_id>.json`, one OTLP `TracesData` a line, and `indexes/`.

    Kept traces are first lines of a journal, `<YYYY-MM-DD>/journal/`, and become files in quiet moments;
    readers see them in either form. Any number of processes may write to one path at the same time. Nothing
    is made until the first write.

    layout: `files`, or `journal` to leave traces in journals. file_mode: of new files, 0o600 where not given:
    their owner's alone. New folders can be entered by whoever may read the files in them; what is there
    already keeps its mode. Raises ValueError for an unknown layout, and for a mode with which the owner could
    not read and write, or with bits other than those of reading and writing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        layout: Form = "files",
        file_mode: int = FILE_MODE,
        max_line_bytes: int = MAX_LINE_BYTES,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if layout not in ("files", "journal"):
            raise ValueError(f"layout is {layout!r}: use 'files' or 'journal'")
        super().__init__(Layout(path, checked_mode(file_mode), now_ns))
        self.makes_files = layout == "files"
        self._max_line_bytes = max_line_bytes
        self._now_ns = now_ns
        self._made_ns = 0
        self._encoder = Encoder()
        self._fast_path = FastPath(
            max_line_bytes,
            origin_of=lambda tracer: self._encoder.origin_of(tracer.resource, tracer.scope),
            second_of=second_of,
            repeated=repeated,
        )
        self._forget()

    def _forget(self) -> None:
        self._growing = Growing()
        self._seen = Seen()
        self._others = Others(self.layout, self._growing)
        self._journals: dict[str, Journal] = {}
        self._moves: deque[Move] = deque()
        self._own: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"FileStore({str(self.layout.root)!r})"

    # --- writing: one thread of a process at a time ---

    def write(self, traces: Iterable[Sequence[Ended]]) -> None:
        """Write groups of spans, each group of one trace, and their index rows; then settle.

        Returns when the kernel has every byte. Raises OSError; lines written before it stay, and so may
        their index rows be missing: write the groups again (`verify` tells), or `reindex`.
        """
        groups, entries = deque(traces), list[Entry | Rows]()
        try:
            while groups:
                count, rows = self.append(groups)
                entries += rows
                for _ in range(count):
                    groups.popleft()
        finally:
            self.write_index(entries)
        self.settle()

    def append(self, groups: Iterable[Sequence[Ended]]) -> tuple[int, list[Entry | Rows]]:
        """Add the first groups to the day's journal in one write; return how many, and their index rows.

        Raises OSError, and then nothing of these groups counts as written.
        """
        # Of several rows one with a later stamp is true. So the stamp of rows that know of no other line is
        # older than the line, which another process may see at once.
        usual = self._fast_path.encode(groups, self._stamp())
        if not usual:
            return 1, self._append_one(next(iter(groups)))
        day = usual[0][1]
        self._write(day, [(trace_id, line) for trace_id, _, line, _, _ in usual])
        looked_ns = self._look(day)
        by_place: defaultdict[tuple[str, str, str], list[bytes]] = defaultdict(list)
        rows: list[Entry | Rows] = []
        for trace_id, _, line, (status, by_status), (octave, by_duration) in usual:
            if self._has_others(day, trace_id):
                rows += self._grown(day, trace_id, [line], looked_ns)
            else:
                by_place[BY_STATUS, day, status].append(by_status)
                by_place[BY_DURATION, day, octave].append(by_duration)
        return len(usual), [Rows({place: b"".join(lines) for place, lines in by_place.items()}), *rows]

    def _append_one(self, spans: Sequence[Ended]) -> list[Entry | Rows]:
        known = trace_id_of(spans[0]) if spans else None
        if known is None:
            return []
        trace_id = f"{known:032x}"
        parts = lines_of(trace_id, self._encoder.records(spans), self._max_line_bytes)
        if not parts:
            return []
        summary, lines = merged([part for part, _ in parts]), [line for _, line in parts]
        day, made_ns = self._day_for(summary), self._stamp()
        self._write(day, [(trace_id, line) for line in lines])
        looked_ns = self._look(day)
        is_certain = summary.has_root and summary.duration_ns <= LONG_NS
        if self._has_others(day, trace_id) or (self._seen.forgot and not is_certain):
            return self._grown(day, trace_id, lines, looked_ns)
        return [Entry(Row(summary, made_ns, day))]

    def _stamp(self) -> int:
        """Return the time, which does not go back."""
        self._made_ns = max(self._made_ns, self._now_ns())
        return self._made_ns

    def _write(self, day: str, lines: Sequence[tuple[str, bytes]]) -> None:
        journal = self._journals.get(day)
        if journal is None or not journal.is_usable:
            if journal is not None or len(self._journals) >= MAX_JOURNALS:
                self._retire(next(iter(self._journals)) if journal is None else day)
            journal = self._journals[day] = Journal(self.layout, day)
            self._own |= {journal.name}
        journal.append(lines)

    def _look(self, day: str) -> int:
        """Look what others wrote; return a stamp between our line and the look."""
        looked_ns = self._stamp()
        self._others.look(day, self._own, self._seen)
        return looked_ns

    def _has_others(self, day: str, trace_id: str) -> bool:
        """Return whether a trace has more lines than the one just written."""
        was_seen = self._seen.add(trace_id)
        return (
            was_seen
            or self.layout.files.exists(self.layout.trace_file(day, trace_id))
            or (self.layout.is_late(day) and self.sealed.day(day).find(trace_id) is not None)
        )

    def _day_for(self, summary: Summary) -> str:
        """Return the day of the trace's first line: spans on either side of midnight may have one before."""
        day, end_day = summary.day, day_of(summary.end_ns)
        if not summary.has_root:
            nearby = day_of(summary.start_ns - NS_PER_DAY)
            is_late = summary.start_ns % NS_PER_DAY < LATE_NS
        else:
            nearby, is_late = end_day, end_day != day
        if not is_late or not self.layout.files.exists(f"{self.layout.root}/{nearby}"):
            return day
        return nearby if self.has_lines(nearby, summary.trace_id) else day

    def _grown(self, day: str, trace_id: str, lines: Sequence[bytes], looked_ns: int) -> list[Entry | Rows]:
        """Return the row of a trace with more lines than these; none where it was pruned just now."""
        growth, added = self._growing.get(day, trace_id), None
        sealed = self.sealed.stamp(day) if self.layout.is_late(day) else NOT_SEALED
        if growth is not None and growth.sealed == sealed:
            added = growth.added_to(self.layout.files, self.layout.trace_file(day, trace_id))
        if growth is None or added is None:
            growth = Growth(sealed)
            added = self.lines_of_day(day, trace_id, growth.read_to)
        self._growing.take(day, trace_id, growth, added)
        self._growing.take(day, trace_id, growth, [line[:-1] for line in lines], own=True)
        if (summary := growth.summary) is None:
            return []
        return [Entry(Row(summary, looked_ns, day), growth.told(summary))]

    def write_index(self, entries: Iterable[Entry | Rows]) -> None:
        """Add rows to the indexes, one write a bucket. Raises OSError."""
        for place, lines in grouped(entries).items():
            append_to(self.layout, place, lines)

    # --- from journals to files: the same thread ---

    def settle(self) -> None:
        """Make files of all that this process wrote, unless the layout is `journal`. Raises OSError."""
        if self.makes_files:
            self.retire_journals()
        while self.settle_step():
            pass

    def retire_journals(self, *, late: bool = False) -> None:
        """Add no more to the journals that are open, or those of late days; what comes goes to new ones."""
        for day in list(self._journals):
            if not late or self.layout.is_late(day):
                self._retire(day)

    def _retire(self, day: str) -> None:
        journal = self._journals.pop(day)
        path = self.layout.journal_file(day, journal.name)
        if self.makes_files:
            self._moves.append(Move(self.layout, day, path, journal.let_go()))
        else:
            journal.close()

    def settle_step(self) -> bool:
        """Make the next files; False where there is nothing more to do. Raises OSError: try again later."""
        if not self._moves:
            return False
        move = self._moves[0]
        if move.step():
            self._moves.popleft()
            self._own -= {move.view.name}
        return bool(self._moves)

    def adopt(self) -> None:
        """Take over the journals that ended processes left, for `settle_step`."""
        self._others.forget_gone()
        if self.makes_files:
            for move in left_behind(self.layout, self._own):
                self._own |= {move.view.name}
                self._moves.append(move)

    def close(self) -> None:
        """Let go of all journals: another process may take them over."""
        for journal in self._journals.values():
            journal.close()
        for move in self._moves:
            move.close()
        self._forget()

    def after_fork(self) -> None:
        """Leave what is open to the parent."""
        self.close()


def checked_mode(file_mode: int) -> int:
    """Return a mode of files. Raises ValueError for one that no store can live with."""
    if file_mode & 0o600 != 0o600 or file_mode & ~0o666:
        raise ValueError(
            f"file_mode is {file_mode:#o}: use 0o600, 0o640 or 0o644, of which the owner's bits are needed"
        )
    return file_mode
