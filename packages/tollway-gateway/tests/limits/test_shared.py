"""Buckets in a file that several processes map; what all stores promise is in `test_bucket.py`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollway.gateway.limits import Claim, Rate, SharedStore

HOUR_US = 3_600_000_000
KEY = b"chat" * 4


def now() -> int:
    return 5_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def key(number: int) -> bytes:
    return number.to_bytes(8, "little") + b"--------"


def allowed(store: SharedStore, *claims: Claim) -> bool:
    return all(decision.allowed for decision in store.take_nowait(claims))


def test_whoever_opens_it_the_buckets_are_the_same(folder: str):
    """Three of them take from one."""
    stores = [SharedStore(folder, now) for _ in range(3)]
    claim = Claim(Rate(1, HOUR_US, 6), KEY, 1)
    assert [5, 4, 3, 2, 1, 0] == [store.take_nowait([claim])[0].remaining for store in stores * 2]
    assert not allowed(stores[1], claim)


def test_a_folder_that_is_not_there_is_told_at_once(folder: str):
    """What can be wrong is wrong when the gateway is wired."""
    with pytest.raises(FileNotFoundError):
        SharedStore(f"{folder}/nowhere", now)


def test_a_full_bucket_gives_its_place_to_another(folder: str):
    """Many more keys than places: those that are full again are forgotten, and nothing is lost by that."""
    times = iter(range(0, 10**15, 2_000_000_000))
    evicted: list[int] = []
    store = SharedStore(folder, lambda: next(times), slots=32, on_evict=lambda: evicted.append(1))
    rate = Rate(1, 1_000_000, 1)
    assert all(allowed(store, Claim(rate, key(number), 1)) for number in range(500))
    assert not evicted


def test_of_too_many_buckets_the_fullest_is_evicted(folder: str):
    """That is counted; a place that is reserved stays."""
    evicted: list[int] = []
    store = SharedStore(folder, now, slots=32, on_evict=lambda: evicted.append(1))
    reserved = Claim(Rate(1, HOUR_US, 1), KEY, 1)
    store.reserve(reserved.rate, reserved.key)
    assert allowed(store, reserved)
    for number in range(100):
        assert allowed(store, Claim(Rate(1, HOUR_US, 1000), key(number), 1 + number % 7))
    assert 100 - 31 == len(evicted)
    assert not allowed(store, reserved)


class Hammers:
    """Processes that take from one bucket, each in its own interpreter."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, code: str) -> subprocess.Popen[str]:
        lines = [
            "import sys, time",
            "from tollway.gateway.limits import Claim, Rate, SharedStore",
            f"claims = [Claim(Rate(1, {HOUR_US}, 1000), {KEY!r}, 1)]",
            "clock = time.monotonic_ns",
            f"store = SharedStore({self._folder!r}, lambda: clock())",
            "def take(count):",
            "    print(sum(store.take_nowait(claims)[0].allowed for _ in range(count)))",
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
    started = Hammers(folder)
    yield started
    started.close()


def test_processes_together_admit_exactly_the_burst(hammers: Hammers):
    """Four of them take as fast as they can."""
    processes = [hammers.start("take(2000)") for _ in range(4)]
    for process in processes:
        hammers.go(process)
    assert 1000 == sum(int(process.stdout.readline()) for process in processes)


def test_a_holder_that_is_killed_blocks_nobody(hammers: Hammers):
    """Killed after it took the lock and before it gave it back; its call was not admitted."""
    waiting = hammers.start("take(2000)")
    holder = hammers.start(
        """
def clock():
    print("holds", flush=True)
    time.sleep(600)
take(1)
"""
    )
    hammers.go(holder)
    assert "holds\n" == holder.stdout.readline()
    hammers.go(waiting)
    holder.send_signal(signal.SIGKILL)
    assert "1000\n" == waiting.stdout.readline()


def test_a_state_half_written_counts_for_nothing(folder: str):
    """Whatever a killed process left in the place that does not count, the bucket is as it was before."""
    claim = Claim(Rate(1, HOUR_US, 3), KEY, 1)
    assert 2 == SharedStore(folder, now).take_nowait([claim])[0].remaining
    path = Path(folder) / "limits"
    words = memoryview(bytearray(path.read_bytes())).cast("q")
    slot = 8 * next(at for at in range(len(words) // 8) if words[8 * at])
    unused = slot + 4 + 2 * (1 - (words[slot + 2] & 1))
    words[unused] = words[unused + 1] = 2**62
    path.write_bytes(words)
    assert 1 == SharedStore(folder, now).take_nowait([claim])[0].remaining


def test_a_worker_that_begins_anew_finds_what_is_left(hammers: Hammers):
    """No restart fills a bucket."""
    first = hammers.start("take(400)")
    hammers.go(first)
    assert "400\n" == first.stdout.readline()
    first.wait()
    second = hammers.start("take(2000)")
    hammers.go(second)
    assert "600\n" == second.stdout.readline()


def test_the_clock_is_one_of_all_processes():
    """`time.monotonic_ns`, the default, is the system's: what one process reads later is later."""
    code = "import time; print(time.monotonic_ns())"
    before_ns = time.monotonic_ns()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before_ns <= int(done.stdout) <= time.monotonic_ns()
