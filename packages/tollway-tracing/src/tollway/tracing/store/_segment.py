"""A segment: many traces of a day in one compressed file, found by id, by start, by status and by duration.

    magic  [dictionary]  data and row blocks ...  durations ...  ids  failed rows  footer  tail

* **data blocks**: one zstd frame of many traces each: how many, the size of each (u32), then their bytes, as
  their files had them. **Row blocks**: one zstd frame of many index rows, without sort keys, a line each.
  Row n is trace n of the data. Both lie by start.
* **durations**: frames of `(u64 duration, u16 row)` columns, sorted by duration. **failed rows**: u16.
* **ids**: 8 bytes a trace, sorted: the first three bytes of its id, the last three, and its row (u16).
* **footer**: JSON, compressed; **tail**: where it is.

Numbers are little-endian, in ids big-endian so that bytes sort as they do. (docs/decisions/0190)
"""

from __future__ import annotations

import os
import sys
import weakref
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from struct import Struct, error
from typing import Any, NamedTuple

import orjson

from tollway.tracing.summary import Summary, trace_status

from ._zstd import zstd

MAGIC = b"TWSEAL1\n"

MAX_TRACES = 65_536
"""Of a segment: a row's number has 16 bits."""

TAIL = Struct("<QQ8s")
"""Where the footer is, its size, and the magic again."""

ID_BYTES = 8

IDS_PAGE = 512
"""Ids between two that the footer names: 4 KiB, one read."""

U16, U32, U64 = "H", "I", "Q"


class DamagedSegmentError(ValueError):
    """A segment that is not whole, or none."""


class Block(NamedTuple):
    """Rows or traces that are compressed together: the first one's number, and where they lie."""

    first: int
    offset: int
    size: int


class Chunk(NamedTuple):
    """Durations that are compressed together."""

    least_ns: int
    most_ns: int
    offset: int
    size: int


class SealedRow(NamedTuple):
    """A trace of a segment; `summary` is None where its lines have none."""

    trace_id: str
    summary: Summary | None


def packed(kind: str, numbers: Sequence[int]) -> bytes:
    """Return numbers as they lie in a segment."""
    column = array(kind, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def unpacked(kind: str, data: bytes) -> array[int]:
    """Return the numbers of `packed`."""
    column = array(kind)
    column.frombytes(data)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def id_key(trace_id: str) -> bytes:
    """Return what ids are sorted by: the ends of them, since some have a time at one end, or zeros."""
    whole = bytes.fromhex(trace_id)
    return whole[:3] + whole[-3:]


class Segment:
    """An open segment. Its numbers stay, whatever becomes of its name. Raises DamagedSegmentError.

    file: a descriptor, which is closed with the segment.
    """

    def __init__(self, name: str, file: int) -> None:
        weakref.finalize(self, os.close, file)
        self.name = name
        self._file = file
        try:
            self._read_footer()
        except (ValueError, KeyError, TypeError, error) as cause:
            raise DamagedSegmentError(f"{name}: {cause}") from None
        self._traces = lru_cache(maxsize=4)(self._load_traces)
        self._rows = lru_cache(maxsize=16)(self._load_rows)
        self._durations = lru_cache(maxsize=16)(self._load_durations)

    def _read_footer(self) -> None:
        self.bytes = os.fstat(self._file).st_size
        tail = os.pread(self._file, TAIL.size, max(0, self.bytes - TAIL.size))
        offset, size, magic = TAIL.unpack(tail)
        if magic != MAGIC:
            raise DamagedSegmentError("it has no end")
        footer: dict[str, Any] = orjson.loads(self._frame(offset, size))
        self.count: int = footer["traces"]
        self.spans: int = footer["spans"]
        self._data_blocks = [Block(*one) for one in footer["data"]]
        self._row_blocks = [Block(*one) for one in footer["rows"]]
        self._chunks = [Chunk(*one) for one in footer["durations"]]
        self._ids_at: int = footer["ids_at"]
        self._id_pages = [bytes.fromhex(one) for one in footer["id_pages"]]
        self.failed = frozenset(unpacked(U16, self._frame(*footer["failed"])))
        self.octaves: tuple[int, ...] = tuple(footer["octaves"])
        where = footer["dictionary"]
        self.dictionary = None if where is None else zstd().ZstdDict(self._read(*where))

    def _read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._file, size, offset)
        if len(data) != size:
            raise DamagedSegmentError(f"{self.name}: it ends too early")
        return data

    def _frame(self, offset: int, size: int, dictionary: Any = None) -> bytes:
        try:
            return bytes(zstd().decompress(self._read(offset, size), zstd_dict=dictionary))
        except zstd().ZstdError as cause:
            raise DamagedSegmentError(f"{self.name}: {cause}") from None

    # --- traces and rows by number ---

    def data(self, row: int) -> bytes:
        """Return what the file of a trace had."""
        block = _block_of(self._data_blocks, row)
        ends, data = self._traces(block)
        at = row - block.first
        return data[ends[at] : ends[at + 1]]

    def row(self, row: int) -> SealedRow:
        """Return a trace's id and summary."""
        block = _block_of(self._row_blocks, row)
        return row_of(self._rows(block)[row - block.first])

    def rows(self) -> Iterator[SealedRow]:
        """Yield all rows, by start."""
        for block in self._row_blocks:
            yield from map(row_of, self._load_rows(block))

    def trace_ids(self) -> Iterator[str]:
        """Yield all ids, by start."""
        for block in self._row_blocks:
            yield from (line[1:33].decode() for line in self._load_rows(block))

    def _load_traces(self, block: Block) -> tuple[Sequence[int], bytes]:
        data = self._frame(block.offset, block.size, self.dictionary)
        count = int.from_bytes(data[:4], "little")
        start = 4 + 4 * count
        return list(accumulate(unpacked(U32, data[4:start]), initial=start)), data

    def _load_rows(self, block: Block) -> list[bytes]:
        return self._frame(block.offset, block.size).splitlines()

    def _load_durations(self, chunk: Chunk) -> tuple[array[int], array[int]]:
        data = self._frame(chunk.offset, chunk.size)
        count = len(data) // 10
        return unpacked(U64, data[: 8 * count]), unpacked(U16, data[8 * count :])

    # --- numbers by what is asked ---

    def find(self, trace_id: str) -> int | None:
        """Return the row of a trace; None where the segment has none of it."""
        found = self._numbers(id_key(trace_id))
        return next((row for row in found if self.row(row).trace_id == trace_id), None)

    def beginning(self, prefix: str) -> list[str]:
        """Return the ids that begin so."""
        low, high = (bytes.fromhex(prefix[:6].ljust(6, fill)) for fill in "0f")
        ids = (self.row(row).trace_id for row in self._numbers(low, high))
        return [one for one in ids if one.startswith(prefix)]

    def _numbers(self, low: bytes, high: bytes | None = None) -> list[int]:
        """Return the rows whose keys begin with something from `low` to `high`."""
        high = low if high is None else high
        width = len(low)
        first = max(0, bisect_left(self._id_pages, low, key=lambda page: page[:width]) - 1)
        last = bisect_right(self._id_pages, high, key=lambda page: page[:width])
        at, end = first * IDS_PAGE, min(self.count, last * IDS_PAGE)
        data = self._read(self._ids_at + at * ID_BYTES, max(0, end - at) * ID_BYTES)
        numbers = range(len(data) // ID_BYTES)

        def key_at(number: int) -> bytes:
            return data[number * ID_BYTES : number * ID_BYTES + width]

        begin = bisect_left(numbers, low, key=key_at)
        end = bisect_right(numbers, high, lo=begin, key=key_at)
        ends = (one * ID_BYTES + ID_BYTES for one in numbers[begin:end])
        return [int.from_bytes(data[one - 2 : one], "big") for one in ends]

    def by_start(self, status: str | None, *, newest: bool) -> Iterator[int]:
        """Yield the rows of traces with a status, or of all."""
        if status == "ERROR":
            yield from sorted(self.failed, reverse=newest)
            return
        numbers = range(self.count)
        for row in reversed(numbers) if newest else numbers:
            if status is None or row not in self.failed:
                yield row

    def by_duration(self, least_ns: int, most_ns: int, *, slowest: bool) -> Iterator[tuple[int, int]]:
        """Yield (duration, row) of traces within the bounds, both included."""
        chunks = [one for one in self._chunks if one.least_ns <= most_ns and one.most_ns >= least_ns]
        for chunk in reversed(chunks) if slowest else chunks:
            durations, rows = self._durations(chunk)
            within = range(bisect_left(durations, least_ns), bisect_right(durations, most_ns))
            for at in reversed(within) if slowest else within:
                yield durations[at], rows[at]


def _block_of(blocks: Sequence[Block], row: int) -> Block:
    return blocks[bisect_right(blocks, row, key=_first_of) - 1]


def _first_of(block: Block) -> int:
    return block.first


def row_of(line: bytes) -> SealedRow:
    """Return the row of a line. Raises DamagedSegmentError."""
    try:
        trace_id, *fields = orjson.loads(b"[" + line)
        if not fields:
            return SealedRow(trace_id, None)
        summary = Summary(trace_id, *fields)
        return SealedRow(trace_id, summary._replace(status=trace_status(summary.status)))
    except (ValueError, TypeError) as cause:
        raise DamagedSegmentError(str(cause)) from None
