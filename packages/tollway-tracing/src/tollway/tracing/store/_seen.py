"""Which traces have lines already: those that this process wrote, and those that others do.

A line is written before anybody looks for others' lines. So of two processes that write to one trace at the
same time at least one sees the other, and its row, stamped later, is of both.
"""

from ._growth import Growing
from ._journal import JournalView
from ._layout import Layout

MAX_IDS = 65_536
"""Of a generation of ids; two are remembered, about 100 bytes an id."""


class Seen:
    """Trace ids, the newest for certain; `forgot` tells whether there were more."""

    def __init__(self, max_ids: int = MAX_IDS) -> None:
        self._max_ids = max_ids
        self._new: set[int] = set()
        self._old: set[int] = set()
        self.forgot = False

    def __contains__(self, trace_id: str) -> bool:
        key = int(trace_id[16:], 16)
        return key in self._new or key in self._old

    def add(self, trace_id: str) -> bool:
        """Take an id in; return whether it was there."""
        key = int(trace_id[16:], 16)  # half of it: two traces that share it only cost a look
        if key in self._new or key in self._old:
            return True
        if len(self._new) >= self._max_ids:
            self.forgot |= bool(self._old)
            self._old, self._new = self._new, set()
        self._new.add(key)
        return False


class Others:
    """Follows the journals of other processes, by what was added to their ids."""

    def __init__(self, layout: Layout, growing: Growing) -> None:
        self._layout = layout
        self._growing = growing
        self._read: dict[str, int] = {}

    def look(self, day: str, own: frozenset[str], seen: Seen) -> None:
        """Take in what other processes wrote to a day since the last look. own: names of our journals."""
        for path in self._layout.journals(day):
            view = JournalView(self._layout.files, path)
            if view.name in own:
                continue
            places, self._read[path] = view.added(self._read.get(path, 0))
            for trace_id, place in places:
                seen.add(trace_id)
                growth = self._growing.get(day, trace_id)
                if growth is None or place.offset < growth.read_to.get(view.name, 0):
                    continue
                if (line := view.line(place)) is not None:
                    self._growing.take(day, trace_id, growth, [line])
                growth.read_to[view.name] = place.offset + place.size

    def forget_gone(self) -> None:
        """Forget journals that are no more."""
        self._read = {path: read for path, read in self._read.items() if self._layout.files.exists(path)}
