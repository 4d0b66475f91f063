"""Writing a segment: traces in the order of their start, each once; the file is there when it is whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from tollway.tracing.summary import Summary

from ._files import Files, write_all
from ._index import octave_of
from ._segment import IDS_PAGE, MAGIC, TAIL, U16, U32, U64, Block, Chunk, id_key, packed
from ._zstd import zstd

LEVEL = 9
"""Higher ones take ten times the time for a twentieth of the size."""

BLOCK_BYTES = 131_072
"""Of traces that are compressed together; a trace is read at the price of its block, 0.1 ms."""

ROWS = 128
"""That are compressed together."""

DURATIONS = 2_048
"""That are compressed together."""

DICTIONARY_BYTES = 65_536

DICTIONARY_FROM = 4_096
"""Traces that a segment needs to gain by a dictionary."""

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def dictionary_of(samples: Sequence[bytes]) -> Any:
    """Return a dictionary trained on traces; None where they are too few or too odd for one."""
    try:
        return zstd().train_dict(samples, DICTIONARY_BYTES)
    except zstd().ZstdError:
        return None


def _compressor(dictionary: Any) -> Any:
    parameters = zstd().CompressionParameter
    options = {parameters.compression_level: LEVEL, parameters.checksum_flag: 1}
    return zstd().ZstdCompressor(options=options, zstd_dict=dictionary)


class SegmentWriter:
    """Writes one segment beside its place; `finish` gives it its name. Raises OSError."""

    def __init__(self, files: Files, path: str, dictionary: Any = None) -> None:
        self.path = path
        self._beside = f"{path}.tmp"
        self._file = files.open_new(self._beside, _FLAGS)
        self._size = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._rows: list[bytes] = []
        self._data_blocks: list[Block] = []
        self._row_blocks: list[Block] = []
        self._ids: list[bytes] = []
        self._failed: list[int] = []
        self._durations: list[tuple[int, int]] = []
        self.count = 0
        self.spans = 0
        self._compressor = _compressor(None)
        self._data_compressor = self._compressor if dictionary is None else _compressor(dictionary)
        self._put(MAGIC)
        self._where = None if dictionary is None else self._put(dictionary.dict_content)

    def _put(self, data: bytes) -> tuple[int, int]:
        place = self._size, len(data)
        write_all(self._file, data)
        self._size += len(data)
        return place

    def _put_frame(self, data: bytes, compressor: Any = None) -> tuple[int, int]:
        used = compressor or self._compressor
        return self._put(used.compress(data, mode=used.FLUSH_FRAME))

    def add(self, trace_id: str, data: bytes, summary: Summary | None) -> None:
        """Add a trace, which starts no earlier than the one before."""
        row = self.count
        self._ids.append(id_key(trace_id) + row.to_bytes(2, "big"))
        self._data.append(data)
        self._data_bytes += len(data)
        if summary is None:
            self._rows.append(b'"%b"]' % trace_id.encode())
        else:
            self._rows.append(summary.to_row())
            self._durations.append((summary.duration_ns, row))
            self.spans += summary.span_count
            if summary.status == "ERROR":
                self._failed.append(row)
        self.count += 1
        if self._data_bytes >= BLOCK_BYTES:
            self._end_data()
        if len(self._rows) >= ROWS:
            self._end_rows()

    def _end_data(self) -> None:
        if self._data:
            sizes = packed(U32, [len(self._data), *map(len, self._data)])
            frame = self._put_frame(sizes + b"".join(self._data), self._data_compressor)
            self._data_blocks.append(Block(self.count - len(self._data), *frame))
            self._data, self._data_bytes = [], 0

    def _end_rows(self) -> None:
        if self._rows:
            frame = self._put_frame(b"\n".join(self._rows))
            self._row_blocks.append(Block(self.count - len(self._rows), *frame))
            self._rows = []

    def finish(self) -> int:
        """Write the rest, have the disk keep it, and give it its name; return its size."""
        self._end_data()
        self._end_rows()
        footer = {
            "traces": self.count,
            "spans": self.spans,
            "data": self._data_blocks,
            "rows": self._row_blocks,
            "durations": list(self._put_durations()),
            "octaves": sorted({octave_of(duration_ns) for duration_ns, _ in self._durations}),
            **self._put_ids(),
            "failed": self._put_frame(packed(U16, self._failed)),
            "dictionary": self._where,
        }
        self._put(TAIL.pack(*self._put_frame(orjson.dumps(footer, default=tuple)), MAGIC))
        os.fsync(self._file)
        os.close(self._file)
        self._file = -1
        os.rename(self._beside, self.path)
        return self._size

    def _put_durations(self) -> Iterable[Chunk]:
        self._durations.sort()
        for at in range(0, len(self._durations), DURATIONS):
            part = self._durations[at : at + DURATIONS]
            durations, rows = zip(*part, strict=True)
            frame = self._put_frame(packed(U64, durations) + packed(U16, rows))
            yield Chunk(durations[0], durations[-1], *frame)

    def _put_ids(self) -> dict[str, Any]:
        self._ids.sort()
        offset, _ = self._put(b"".join(self._ids))
        return {"ids_at": offset, "id_pages": [one[:6].hex() for one in self._ids[::IDS_PAGE]]}

    def close(self) -> None:
        """Leave nothing behind, unless it is finished."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            os.unlink(self._beside)
