"""Two workers beside one: what a request costs each way, and what both answer.

Load and mock share the two cores with the workers, so two workers cannot answer twice as much here: there are
no two cores for them. What can be seen is whether a request costs more CPU because there is another worker
(locks, shared memory), and whether somebody waits while a core is idle. If neither, the cores are the bound.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from load import Asked, cpu_s, wrk
from peers import Launch, Peer, Where

NUMBERS = (1, 2)
CPUS = "0,1"
CONNECTIONS = 64

_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: CPU in microseconds a request, and how many cores were busy with anything."""

    rps: float
    gateway_us: float
    others_us: float
    busy: float


def of(peer: Peer, number: int) -> Peer:
    """Return the peer with that many workers."""

    def launch(where: Where, folder: Path) -> Launch:
        launched = peer.launch(where, folder)
        return dataclasses.replace(launched, command=[*launched.command, "--workers", str(number)])

    return dataclasses.replace(peer, name=f"{number} workers", launch=launch)


def measure(asked: Asked, pid: int, seconds: int) -> Measured:
    """Measure a running gateway."""
    wrk(asked, CONNECTIONS, 1, CPUS)  # warm
    gateway_s, busy_s, began_s = cpu_s(pid), _busy_s(), time.perf_counter()
    done = wrk(asked, CONNECTIONS, seconds, CPUS)
    gateway_s, busy_s, took_s = cpu_s(pid) - gateway_s, _busy_s() - busy_s, time.perf_counter() - began_s
    good = max(1, done.requests - done.errors)
    others_s = busy_s - gateway_s
    return Measured(good / done.seconds, gateway_s / good * 1e6, others_s / good * 1e6, busy_s / took_s)


def report(rows: dict[int, list[Measured]]) -> None:
    """Print medians."""
    print("| workers | requests/s | of one | CPU µs a request | of load and mock | cores busy |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    one = statistics.median(row.rps for row in rows[1])
    for number, measured in rows.items():
        columns = zip(*map(dataclasses.astuple, measured), strict=True)
        rps, gateway_us, others_us, busy = map(statistics.median, columns)
        figures = f"{rps:,.0f} | {rps / one:.2f} | {gateway_us:.1f} | {others_us:.1f} | {busy:.2f}"
        print(f"| {number} | {figures} |")


def _busy_s() -> float:
    """Return the seconds for which cores were busy so far, all together."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / _TICKS_S
