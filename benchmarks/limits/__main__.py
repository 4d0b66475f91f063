"""What a limit's decision costs, by where its buckets are: CPU time of this process in the best round.

For Redis also the time of a round trip, with one call at a time and with 64 that come together.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from tollway.gateway.config.values import LimitConfig
from tollway.gateway.limits import Claim, LimitStore, LocalStore, Rate, SharedStore
from tollway.gateway.limits.remote import remote_store
from tollway.gateway.pipeline.quota import QuotaSet, quotas_of
from tollway.provider import Call, Task

CALL = Call(Task.CHAT, {}, b"{}")
RATE = Rate(1_000_000_000, 1_000_000, 1_000_000_000)


def cpu_us(function: Callable[[], object], rounds: int, calls: int = 20_000) -> float:
    """Return the microseconds of CPU of one call, without those of the loop around it."""
    spent = [0.0, 0.0]
    for place, one in enumerate((function, lambda: None)):
        best = float("inf")
        for _ in range(rounds):
            began_ns = time.process_time_ns()
            for _ in range(calls):
                one()
            best = min(best, (time.process_time_ns() - began_ns) / calls)
        spent[place] = best / 1000
    return spent[0] - spent[1]


def measure(name: str, store: LimitStore, rounds: int) -> None:
    """Print what a decision costs about one claim and about three, and its header lines."""
    claims = [Claim(RATE, bytes([number]) * 16, 1) for number in range(3)]
    first = claims[:1]
    one = cpu_us(lambda: store.take_nowait(first), rounds)
    three = cpu_us(lambda: store.take_nowait(claims), rounds)
    print(f"| {name} | {one:.2f} | {three:.2f} |")


async def measure_redis(url: str, calls: int = 2000) -> None:
    """Print what a decision in Redis takes."""
    store = remote_store(url, LocalStore(time.monotonic_ns))
    await store.start()
    claims = [Claim(RATE, b"-" * 16, 1)]
    for together in (1, 64):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for _ in range(calls // together):
            await asyncio.gather(*(store.take(claims) for _ in range(together)))
        took_us = (time.perf_counter() - began_s) / calls * 1e6
        cpu = (time.process_time() - began_cpu_s) / calls * 1e6
        print(f"| redis, {together} at a time | {cpu:.0f} | {took_us:.0f} µs of time a call |")
    await store.close()


@contextmanager
def redis() -> Iterator[str]:
    """Give the URL of a server of our own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if "Ready to accept" in line:
                    break
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.communicate()


def main() -> None:
    """Measure all that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print("| a decision | CPU µs | CPU µs, three claims |\n| --- | ---: | ---: |")
    measure("in process", LocalStore(time.monotonic_ns), rounds)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        measure("between workers", SharedStore(folder, time.monotonic_ns), rounds)
    limit = LimitConfig(calls=60, renewal_period_s=60)
    quotas = quotas_of("chat", "", [limit], LocalStore(time.monotonic_ns))
    lines = []
    for count in (1, 3):
        met = QuotaSet(quotas * count, 0)
        decisions = met.store.take_nowait(met.claims_of({}, CALL)) or []
        lines.append(cpu_us(partial(met.lines.of, decisions), rounds))
    print(f"| header lines | {lines[0]:.2f} | {lines[1]:.2f} |")
    if shutil.which("redis-server") is not None:
        with redis() as url:
            asyncio.run(measure_redis(url))


main()
