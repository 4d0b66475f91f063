"""The bucket that several processes take from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.limits import Bucket, Rate, SharedBucket, take

SECOND = 1_000_000_000
HOUR = 3600 * SECOND

rates = st.builds(
    Rate,
    calls=st.integers(1, 10**30),
    period_ns=st.integers(1, 86_400 * SECOND),
    burst=st.integers(1, 50),
)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


@given(rates, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 100 * SECOND)), max_size=60))
def test_whoever_asks_the_decisions_are_those_of_one_bucket(rate: Rate, asks: list[tuple[int, int]]):
    """Three that open the bucket, asked in any order, decide as one bucket of one process does."""
    with TemporaryDirectory() as folder:
        workers = [SharedBucket(folder, "chat", rate) for _ in range(3)]
        alone, now_ns = Bucket(), 0
        for worker, gap_ns in asks:
            now_ns += gap_ns
            assert take(rate, alone, now_ns) == workers[worker].take(lambda: now_ns)  # noqa: B023 - called at once


@given(rates)
def test_there_is_room_for_every_state(rate: Rate):
    """Also at the largest rate, and at the last moment that a clock can tell."""
    with TemporaryDirectory() as folder:
        bucket = SharedBucket(folder, "chat", rate)
        decisions = [bucket.take(lambda: 2**63 - 1).allowed for _ in range(rate.burst + 1)]
        assert [True] * rate.burst + [False] == decisions


def test_endpoints_and_rates_have_buckets_of_their_own(folder: str):
    """A name may be anything that a config allows, and a changed rate begins with a full bucket."""
    names = ["a", "..", "A" * 300]
    rate = Rate(1, HOUR, 1)
    assert [True] * 3 == [SharedBucket(folder, name, rate).take(lambda: 0).allowed for name in names]
    assert [False] * 3 == [SharedBucket(folder, name, rate).take(lambda: 0).allowed for name in names]
    assert SharedBucket(folder, "a", Rate(2, HOUR, 1)).take(lambda: 0).allowed


def test_a_folder_that_is_not_there_is_told_at_once(folder: str):
    """What can be wrong is wrong when the gateway is wired."""
    with pytest.raises(FileNotFoundError):
        SharedBucket(f"{folder}/nowhere", "a", Rate(1, 1, 1))


class Hammers:
    """Processes that take from one bucket, each in its own interpreter."""

    def __init__(self, folder: str, rate: Rate) -> None:
        self._folder = folder
        self._rate = rate
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str) -> subprocess.Popen[str]:
        lines = [
            "import sys, time",
            "from tollway.gateway.limits import Rate, SharedBucket",
            f"rate = Rate({self._rate.calls}, {self._rate.period_ns}, {self._rate.burst})",
            f"bucket = SharedBucket({self._folder!r}, 'chat', rate)",
            "print('open', flush=True)",
            "sys.stdin.readline()",
            code,
        ]
        process = subprocess.Popen(
            [sys.executable, "-c", "\n".join(lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        assert "open\n" == process.stdout.readline()
        return process

    def go(self, process: subprocess.Popen[str]) -> None:
        process.stdin.write("\n")
        process.stdin.flush()

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


@pytest.fixture
def hammers(folder: str) -> Iterator[Hammers]:
    """Of a bucket that holds 1,000 and is not refilled while a test runs."""
    started = Hammers(folder, Rate(1, HOUR, 1000))
    yield started
    started.close()


TAKE_2000 = "print(sum(bucket.take(time.monotonic_ns).allowed for _ in range(2000)))"


def test_processes_together_admit_exactly_the_burst(hammers: Hammers):
    """Four of them take as fast as they can."""
    processes = [hammers.start(TAKE_2000) for _ in range(4)]
    for process in processes:
        hammers.go(process)
    assert 1000 == sum(int(process.stdout.readline()) for process in processes)


def test_a_holder_that_is_killed_blocks_nobody(hammers: Hammers):
    """Killed after it took the lock and before it gave it back; its call was not admitted."""
    waiting = hammers.start(TAKE_2000)
    holder = hammers.start(
        """
def clock():
    print("holds", flush=True)
    time.sleep(600)
bucket.take(clock)
"""
    )
    hammers.go(holder)
    assert "holds\n" == holder.stdout.readline()
    hammers.go(waiting)
    holder.send_signal(signal.SIGKILL)
    assert "1000\n" == waiting.stdout.readline()


def test_a_state_half_written_counts_for_nothing(folder: str):
    """Whatever a killed process left in the place that does not count, the bucket is as it was before."""
    rate = Rate(1, HOUR, 3)
    bucket = SharedBucket(folder, "chat", rate)
    assert 2 == bucket.take(lambda: 0).remaining
    (path,) = Path(folder).glob("*.bucket")
    state = bytearray(path.read_bytes())
    width = len(state) // 2
    place = 1 + width if not state[0] else 1
    state[place : place + width - 1] = os.urandom(width - 1)
    path.write_bytes(state)
    assert 1 == SharedBucket(folder, "chat", rate).take(lambda: 0).remaining


def test_a_worker_that_begins_anew_finds_what_is_left(hammers: Hammers):
    """No restart fills a bucket."""
    first = hammers.start("print(sum(bucket.take(time.monotonic_ns).allowed for _ in range(400)))")
    hammers.go(first)
    assert "400\n" == first.stdout.readline()
    first.wait()
    second = hammers.start(TAKE_2000)
    hammers.go(second)
    assert "600\n" == second.stdout.readline()


def test_the_clock_is_one_of_all_processes():
    """`time.monotonic_ns`, the default, is the system's: what one process reads later is later."""
    code = "import time; print(time.monotonic_ns())"
    before_ns = time.monotonic_ns()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before_ns <= int(done.stdout) <= time.monotonic_ns()
