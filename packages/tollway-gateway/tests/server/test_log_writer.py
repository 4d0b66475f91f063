"""The log's queue, thread and descriptor: nothing waits for them, and nothing is lost without a word."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tollway.gateway.server import log_writer
from tollway.gateway.server.log_writer import Descriptor, LogWriter, UnwrittenError


class Disk:
    """Takes lines, or not."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_full = False

    def __call__(self, data: bytes) -> None:
        if self.is_full:
            raise UnwrittenError(data.count(b"\n")) from OSError("full")
        self.writes.append(data)


def lines(entries: Sequence[int]) -> bytes:
    return b"".join(b"%d\n" % entry for entry in entries)


def missing(number: int) -> bytes:
    return b"missing %d\n" % number


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def writer(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> LogWriter[int]:
    """Without its thread: `flush` is called by hand."""
    monkeypatch.setattr(LogWriter, "_wake", lambda self: None)
    return LogWriter(disk, lines, missing, capacity=3)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in reader, writer:
        with suppress(OSError):
            os.close(end)


def put(writer: LogWriter[int], *entries: int) -> None:
    for entry in entries:
        writer.put(entry)


def read_all(reader: int, at_once: int = 65_536) -> bytes:
    return b"".join(iter(lambda: os.read(reader, at_once), b""))


def test_what_came_together_is_written_together(writer: LogWriter[int], disk: Disk):
    put(writer, 1, 2, 3)
    writer.flush()
    assert [b"1\n2\n3\n"] == disk.writes


def test_what_finds_no_room_is_told_by_the_log_itself(writer: LogWriter[int], disk: Disk):
    """Once, and as soon as there is room."""
    put(writer, 1, 2, 3, 4, 5)
    writer.flush()
    put(writer, 6)
    writer.flush()
    assert b"missing 2\n1\n2\n3\n6\n" == b"".join(disk.writes)


def test_what_cannot_be_written_is_told_when_it_can_be(
    writer: LogWriter[int], disk: Disk, caplog: pytest.LogCaptureFixture
):
    """The gateway's own log tells of it at once, and only when it begins."""
    disk.is_full = True
    put(writer, 1, 2)
    writer.flush()
    put(writer, 3)
    writer.flush()
    assert ["the access log cannot be written, lines are missing: full"] == caplog.messages
    disk.is_full = False
    writer.flush()
    assert [b"missing 3\n"] == disk.writes


def test_a_line_comes_by_itself(pipe: tuple[int, int]):
    """Its thread starts with the first, and waits for more when there is none."""
    reader, end = pipe
    with LogWriter(Descriptor(end), lines, missing) as log:
        for entry in range(3):
            log.put(entry)
            assert b"%d\n" % entry == os.read(reader, 100)


def test_the_end_writes_what_waits(disk: Disk):
    with LogWriter(disk, lines, missing) as log:
        put(log, *range(1000))
    assert lines(range(1000)) == b"".join(disk.writes)


def test_a_reader_that_does_not_read_holds_nobody_up(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture):
    """Neither who puts nor, for long, the end of the process."""
    reader, end = pipe
    log = LogWriter(Descriptor(end), lambda entries: b"x" * 99 + b"\n", missing, capacity=5_000)
    os.write(end, b"-" * 65_536)  # all that a pipe holds
    put(log, *range(7_000))
    log.close(within_s=0)
    assert "the access log ends without its last" in caplog.text
    os.close(reader)
    log.close()  # the thread is free again, and gone before its descriptor means something else


def test_a_file_is_written_with_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    write = os.write
    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(log_writer.os, "write", lambda n, data: sizes.append(len(data)) or write(n, data))
        Descriptor(file.fileno())(b"x" * 99_999 + b"\n")
    assert [100_000] == sizes


def test_lines_of_several_writers_stay_whole_on_a_slow_pipe(pipe: tuple[int, int]):
    reader, end = pipe
    written = [b"".join(letter * (i % 700) + b"\n" for i in range(3_000)) for letter in (b"a", b"b")]
    writers = [threading.Thread(target=Descriptor(end), args=(data,)) for data in written]

    def write_and_end() -> None:
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        os.close(end)

    threading.Thread(target=write_and_end).start()
    assert sorted(b"".join(written).split(b"\n")) == sorted(read_all(reader, 1000).split(b"\n"))


def test_a_line_longer_than_a_pipe_takes_at_once_is_written_all_the_same(pipe: tuple[int, int]):
    reader, end = pipe
    data = b"short\n" + b"x" * 3 * select.PIPE_BUF + b"\nshort\n"
    Descriptor(end)(data)
    os.close(end)
    assert data == read_all(reader)


def test_a_descriptor_that_does_not_wait_is_waited_for(pipe: tuple[int, int]):
    """Whoever shares the pipe may have made it so."""
    reader, end = pipe
    os.set_blocking(end, False)
    data = (b"x" * 999 + b"\n") * 1_000
    thread = threading.Thread(target=lambda: (Descriptor(end)(data), os.close(end)))
    thread.start()
    assert data == read_all(reader)
    thread.join()


def test_nobody_reads_any_more(pipe: tuple[int, int]):
    reader, end = pipe
    os.close(reader)
    with pytest.raises(UnwrittenError) as caught:
        Descriptor(end)(b"a\nb\n")
    assert 2 == caught.value.lines
    assert isinstance(caught.value.__cause__, BrokenPipeError)


def test_a_line_that_a_full_disk_cut_off_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    room = 5
    write = os.write

    def write_what_fits(number: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(number, data[:room])
        room -= written
        return written

    with (tmp_path / "log").open("wb") as file:
        monkeypatch.setattr(log_writer.os, "write", write_what_fits)
        descriptor = Descriptor(file.fileno())
        for _ in range(2):
            with pytest.raises(UnwrittenError) as caught:
                descriptor(b"one\ntwo\nthree\n")
        assert 3 == caught.value.lines
        room = 100
        descriptor(b"four\n")
    assert b"one\nt\nfour\n" == (tmp_path / "log").read_bytes()
