"""From journals to a file for each trace, in quiet moments; and journals that their writers left behind.

A move can die anywhere and be done again: a line that a trace's file has is not added to it twice, and a
journal goes when all of its lines have their files. Readers take a line that is in both forms once.
"""

import os
from collections.abc import Iterator

from ._files import whole_lines
from ._journal import JournalView, Place, adopt
from ._layout import Layout

STEP = 64
"""Traces that are moved between two looks at the clock."""


class Move:
    """One journal on its way into files. lock: the descriptor that is closed when it is there."""

    def __init__(self, layout: Layout, day: str, path: str, lock: int | None = None) -> None:
        self.view = JournalView(layout.files, path)
        self._layout = layout
        self._day = day
        self._lock = lock
        self._traces = self._grouped()

    def _grouped(self) -> Iterator[tuple[str, list[Place]]]:
        found: dict[str, list[Place]] = {}
        for trace_id, place in self.view.all_places():
            found.setdefault(trace_id, []).append(place)
        yield from found.items()

    def step(self) -> bool:
        """Make files of the next traces; True when the journal is gone. Raises OSError: try again later."""
        with self._layout.shared(self._day):
            return self._step()

    def _step(self) -> bool:
        for _ in range(STEP):
            item = next(self._traces, None)
            if item is None:
                self.view.remove()
                self.close()
                return True
            trace_id, places = item
            try:
                self._give(trace_id, [line for place in places if (line := self.view.line(place))])
            except OSError:
                self._traces = self._grouped()  # from its start: what has its file costs a look
                raise
        return False

    def _give(self, trace_id: str, lines: list[bytes]) -> None:
        path = self._layout.trace_file(self._day, trace_id)
        data = b"".join([b"%b\n" % line for line in lines])
        if not lines or self._layout.files.create(path, data):
            return
        known = set(whole_lines(self._layout.files.read(path))[0])
        missing = [line for line in lines if line not in known]
        if missing:
            self._layout.files.append(path, b"".join([b"%b\n" % line for line in missing]))

    def close(self) -> None:
        """Let go of it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def left_behind(layout: Layout, own: frozenset[str]) -> Iterator[Move]:
    """Yield the journals whose writers are gone, each taken over. own: names of our journals."""
    for day in layout.days():
        for path in layout.journals(day):
            name = os.path.basename(path).removesuffix(".jsonl")
            if name not in own and (lock := adopt(path)) is not None:
                yield Move(layout, day, path, lock)
