"""Search a store of a million traces: `python benchmarks/store [--traces N] [--path FOLDER]
[--indexes-only]`.

The store is written as programs write it: traces over 30 days, log-normal durations, 2 % failed, two spans
each. With `--indexes-only` trace files are not made (these questions open none, a scan for text does). A
store that is there already is searched as it is. Prints medians of warm searches.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import StatusCode, set_span_in_context

from tollway.tracing import RatioSlowSampler, TracerProvider
from tollway.tracing.store import FileStore, Summary
from tollway.tracing.store._index import Entry, Row
from tollway.tracing.testing import CountingIds

T = TypeVar("T")

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


@dataclass(frozen=True, slots=True)
class Fake:
    """What a made-up trace is like."""

    trace_id: int
    name: str
    start_ns: int
    duration_ns: int
    failed: bool


def fakes(traces: int) -> Iterator[Fake]:
    """Yield made-up traces by start, the same every time."""
    rng = random.Random(1)
    for n in range(traces):
        duration_ns = int(rng.lognormvariate(5, 1.5) * 1e6)
        start_ns = FIRST_NS + n * DAYS * DAY_NS // traces
        yield Fake(rng.getrandbits(128), f"op {n % 40}", start_ns, duration_ns, rng.random() < 0.02)


def write_indexes(store: FileStore, traces: int) -> None:
    """Write the rows alone, in the order in which the traces would have been written."""
    for batch in batched(fakes(traces), BATCH):
        store.write_index([row_of(fake) for fake in batch])


def row_of(fake: Fake) -> Entry:
    status = "ERROR" if fake.failed else "OK"
    trace_id = f"{fake.trace_id:032x}"
    summary = Summary(
        trace_id, fake.start_ns, fake.duration_ns, status, fake.name, "ratio", 2, "shop", has_root=True
    )
    return Entry(Row(summary, fake.start_ns + fake.duration_ns, summary.day))


def write_traces(store: FileStore, traces: int) -> None:
    """Write files and rows."""
    ids = GivenIds()
    provider = TracerProvider(
        RatioSlowSampler(),
        Resource({"service.name": "shop"}),
        shutdown_on_exit=False,
        id_generator=ids,
        timer=False,
    )
    ended: list[ReadableSpan] = []
    collector = SpanProcessor()
    collector.on_end = ended.append  # type: ignore[method-assign]  # takes the place of the store
    provider.add_span_processor(collector)
    tracer = provider.get_tracer("bench")
    for batch in batched(fakes(traces), BATCH):
        groups = []
        for fake in batch:
            ids.next_trace_id = fake.trace_id
            root = tracer.start_span(
                fake.name, start_time=fake.start_ns, attributes={"user.id": f"u{fake.trace_id % 997}"}
            )
            child = tracer.start_span(
                "answer",
                set_span_in_context(root),
                start_time=fake.start_ns,
                attributes={"gen_ai.request.model": "gpt-4"},
            )
            if fake.failed:
                child.set_status(StatusCode.ERROR, "API timeout")
            child.end(fake.start_ns + fake.duration_ns)
            root.end(fake.start_ns + fake.duration_ns)
            groups.append(ended[:])
            ended.clear()
        store.write(groups)


class GivenIds(CountingIds):
    """Trace ids that are told, span ids that count."""

    next_trace_id = 1

    def generate_trace_id(self) -> int:
        return self.next_trace_id


def batched(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """`itertools.batched`, which 3.11 has not."""
    while batch := list(islice(items, size)):
        yield batch


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
    parser.add_argument("--indexes-only", action="store_true", help="make no trace files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = FileStore(arguments.path or folder)
        if not store.layout.indexes.exists():
            start_s = time.perf_counter()
            generate = write_indexes if arguments.indexes_only else write_traces
            generate(store, arguments.traces)
            print(f"{arguments.traces} traces written in {time.perf_counter() - start_s:.0f} s")
        measure(store)


if __name__ == "__main__":
    main()
