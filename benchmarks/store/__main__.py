"""Search a store of a million traces: `python -m store [--traces N] [--path FOLDER]` in `benchmarks/`.

The indexes are written as the store writes them: traces over 30 days, log-normal durations, 2 % failed. Trace
files are not made: these questions open none. Prints medians of warm searches.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tollway.tracing.store import FileStore, Summary
from tollway.tracing.store._index import Entry, Row

DAYS = 30
DAY_NS = 86_400_000_000_000
FIRST_NS = 1_793_491_200_000_000_000  # 2026-11-01T00:00:00Z
BATCH = 5_000
ROUNDS = 7
BUDGET_MS = 20

QUESTIONS = {
    "slowest 50": {"order_by": "slowest"},
    "errors 50": {"status": "ERROR"},
    "newest 50": {},
    "slower than 30 s, newest 50": {"min_duration_ms": 30_000},
}


def entries(traces: int) -> Iterator[Entry]:
    """Yield rows in order of writing."""
    rng = random.Random(1)
    for n in range(traces):
        duration_ns = int(rng.lognormvariate(5, 1.5) * 1e6)
        start_ns = FIRST_NS + n * DAYS * DAY_NS // traces
        status = "ERROR" if rng.random() < 0.02 else "OK"
        trace_id = f"{rng.getrandbits(128):032x}"
        summary = Summary(trace_id, start_ns, duration_ns, status, f"op {n % 40}", "ratio", 7, "shop", True)
        yield Entry(Row(summary, start_ns + duration_ns, summary.day))


def generate(store: FileStore, traces: int) -> None:
    batch = []
    for entry in entries(traces):
        batch.append(entry)
        if len(batch) == BATCH:
            store.write_index(batch)
            batch.clear()
    store.write_index(batch)


def measure(store: FileStore) -> None:
    for name, options in QUESTIONS.items():
        times_ms = []
        for _ in range(ROUNDS):
            start_s = time.perf_counter()
            found = store.search(limit=50, **options)
            times_ms.append((time.perf_counter() - start_s) * 1000)
        print(f"{name:30} {median(times_ms):8.1f} ms   (budget {BUDGET_MS} ms, {len(found)} found)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--path", type=Path, help="keep the store here, and use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(arguments.path or folder)
        if not store.layout.indexes.exists():
            start_s = time.perf_counter()
            generate(store, arguments.traces)
            print(f"{arguments.traces} traces indexed in {time.perf_counter() - start_s:.0f} s")
        measure(store)


if __name__ == "__main__":
    main()
