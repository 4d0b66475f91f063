"""Unsealing a day: its segments become files again, byte for byte, with what came since behind it.

Files first, then the rows, then the list of segments goes: wherever that ends, the day is still sealed, and
can be unsealed again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice

from ._files import whole_lines
from ._lines import missing_lines
from ._maintenance import reindex_day
from ._reader import StoreReader
from ._seal import STEP, SealError, Steps, damaged_error, locked


def unseal_steps(store: StoreReader, day: str) -> Steps:
    """Unseal a day in short steps. Raises SealError, and OSError."""
    if not store.sealed.day(day).stamp[0]:
        raise SealError(f"nothing of {day} is sealed")
    return locked(store, day, lambda: _unseal(store, day))


def _unseal(store: StoreReader, day: str) -> Steps:
    sealed = store.sealed.day(day)
    if sealed.damaged:
        raise damaged_error(day, sealed.damaged)
    done, total = 0, sum(segment.count for segment in sealed.segments)
    for segment in sealed.segments:
        traces = ((trace_id, segment.data(row)) for row, trace_id in enumerate(segment.trace_ids()))
        while some := list(islice(traces, STEP)):
            with store.layout.exclusive(day):
                _make_files(store, day, some)
            done += len(some)
            yield done, total
    with store.layout.exclusive(day):
        reindex_day(store, day, store.trace_ids(day))
    os.sync()  # the segments go: what was made of them must be on the disk
    store.sealed.remove_list(day)
    for segment in sealed.segments:
        os.unlink(store.sealed.segment_file(day, segment.name))


def _make_files(store: StoreReader, day: str, traces: Sequence[tuple[str, bytes]]) -> None:
    files = store.layout.files
    for trace_id, data in traces:
        path = store.layout.trace_file(day, trace_id)
        if not files.create(path, data):
            added = missing_lines(data, whole_lines(files.read(path))[0])
            files.replace(path, data + added)
