"""What an open page costs plain requests, beside a store of many traces.

The page is what a browser does: the list and its dots are read once a second, and what comes is followed.
Measured in turn without and with it, by slices of a second; the CPU is that of the worker alone, since
another process reads the store.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from against import Slice, pairs, report
from load import Asked, Whole, own_cpu_s

from tollway.tracing.store import FileStore
from tollway.tracing.store._index import Entry, Row, append_to, grouped
from tollway.tracing.summary import Summary

DAYS = 10
BATCH = 20_000
EVERY_S = 1.0

Load = Callable[[int], Whole]
"""Asks for whole answers over so many connections for a second."""


def fill(folder: Path, traces: int) -> None:
    """Write the indexes of so many traces, of the days before this one."""
    store, chance = FileStore(folder), random.Random(1)
    step_ns = DAYS * 86_400 * 10**9 // traces
    begun_ns = time.time_ns() - traces * step_ns
    for first in range(0, traces, BATCH):
        numbers = range(first, min(first + BATCH, traces))
        entries = [_entry(chance, begun_ns + number * step_ns) for number in numbers]
        for place, lines in grouped(entries).items():
            append_to(store.layout, place, lines)


def _entry(chance: random.Random, start_ns: int) -> Entry:
    trace_id, took_ns = f"{chance.getrandbits(128):032x}", int(chance.lognormvariate(4, 1.5) * 1e6)
    status = "ERROR" if chance.random() < 0.03 else "OK"
    name, kept = chance.choice(["GET /", "POST /orders"]), chance.choice(["ratio", "slow"])
    summary = Summary(trace_id, start_ns, took_ns, status, name, kept, 5, "shop", has_root=True)
    return Entry(Row(summary, start_ns + took_ns, summary.day))


@contextmanager
def open_page(base: str) -> Iterator[None]:
    """Do what an open page does, until the block ends."""
    closed = threading.Event()

    def follow() -> None:
        with suppress(OSError), urllib.request.urlopen(f"{base}/ui/api/live?overview=1", timeout=20) as live:
            while not closed.is_set() and live.readline():
                pass

    def look() -> None:
        while not closed.wait(EVERY_S):
            for path in ("traces", "points", "traces?q=status:error"):
                with urllib.request.urlopen(f"{base}/ui/api/{path}", timeout=20) as answer:
                    answer.read()

    threads = [threading.Thread(target=one, daemon=True) for one in (follow, look)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        closed.set()
        for thread in threads:
            thread.join(30)


def compare(pid: int, asked: Asked, base: str, load: Load, number: int) -> None:
    """Measure with and without an open page, and print the ratios, and the latency of one connection."""
    latencies: dict[bool, list[int]] = {False: [], True: []}

    def measured(*, is_open: bool) -> Slice:
        before_s = own_cpu_s(pid)
        found = load(32)
        used_s = own_cpu_s(pid) - before_s
        latencies[is_open].append(load(1).p99_us)
        return Slice(found.requests, found.seconds, used_s)

    def opened() -> Slice:
        with open_page(base):
            return measured(is_open=True)

    with open_page(base):
        load(1)  # the page's process has started
    print("| an open page, over none | ratio | quartiles | pairs |\n| --- | ---: | ---: | ---: |")
    report(f"requests to {asked.model}", pairs(opened, lambda: measured(is_open=False), number))
    for is_open, found in latencies.items():
        print(
            f"p99 of one connection, {'page open' if is_open else 'none open'}: {statistics.median(found)} µs"
        )
