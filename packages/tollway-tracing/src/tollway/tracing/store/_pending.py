"""Index rows on their way to their buckets: what one bucket refuses waits, and holds up no other bucket."""

from collections import defaultdict
from collections.abc import Iterable

from ._files import LinkError
from ._index import Entry, Rows, append_to, grouped
from ._layout import Layout

MAX_BYTES = 8 * 1024 * 1024
"""What waits for all buckets together, about 30,000 rows."""

_Place = tuple[str, str, str]


class PendingRows:
    """Rows that are not in the indexes yet, at most `max_bytes` of them.

    Over the bound the oldest rows of the bucket with the most go. The trace files are not touched by that:
    `reindex` makes the rows again.
    """

    def __init__(self, layout: Layout, max_bytes: int = MAX_BYTES) -> None:
        self._layout = layout
        self._max_bytes = max_bytes
        self._new: list[Entry | Rows] = []
        self._lines: defaultdict[_Place, bytearray] = defaultdict(bytearray)
        self.dropped = 0
        """Rows given up so far."""

    @property
    def held_bytes(self) -> int:
        """Bytes that a bucket refused, and that are tried again."""
        return sum(map(len, self._lines.values()))

    def add(self, entry: Entry | Rows) -> None:
        """Take rows in; they are grouped when they are written."""
        self._new.append(entry)

    def write(self) -> list[OSError]:
        """Give every bucket its rows, one write each; return why buckets refused theirs."""
        new, self._new = self._new, []
        for place, lines in grouped(new).items():
            self._lines[place] += lines
        errors: list[OSError] = []
        for place in list(self._lines):
            try:
                append_to(self._layout, place, bytes(self._lines[place]))
            except LinkError as error:  # it would stand in the way until somebody removes it
                self._drop(place, len(self._lines[place]))
                errors.append(error)
            except OSError as error:
                errors.append(error)
                continue
            del self._lines[place]
        self._bound()
        return list(_one_of_each(errors))

    def _bound(self) -> None:
        while (excess := self.held_bytes - self._max_bytes) > 0:
            self._drop(max(self._lines, key=lambda place: len(self._lines[place])), excess)

    def _drop(self, place: _Place, least_bytes: int) -> None:
        """Give up whole rows of a bucket, the oldest first."""
        lines = self._lines[place]
        end = lines.find(b"\n", least_bytes - 1) + 1 or len(lines)
        self.dropped += lines.count(b"\n", 0, end)
        del lines[:end]


def _one_of_each(errors: Iterable[OSError]) -> Iterable[OSError]:
    """Return the first error of each type: the others say the same of other buckets."""
    return {type(error): error for error in reversed(list(errors))}.values()
