"""Two workers beside one: what a request costs each way, and what both answer.

Load and mock need cores too. So that two cores are enough for all, each worker gets a part of one by a quota
of the kernel's (a cgroup, which needs root): then two workers can answer twice as much, if nothing between
them stops them. Without quotas they share the cores with load and mock, which is said.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from load import Asked, cpu_s, tree, wrk
from peers import Launch, Peer, Where

NUMBERS = (1, 2)
CPUS = "0,1"
CONNECTIONS = 64

SHARE = 0.4
"""Of a core, for each worker."""

_PERIOD_US = 10_000
"""A tenth of the kernel's own: who has used up his share waits for less."""

_CGROUPS = Path("/sys/fs/cgroup")

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


class Quotas:
    """Gives each worker of a gateway its share of a core, if the system lets us."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Path] = []
        self.given = False

    def give(self, pid: int, workers: int) -> None:
        """Give each worker of a gateway its share; one is the gateway itself, several its children."""
        found = tree(pid)[-workers:]
        with suppress(OSError):
            for one in found:
                self._give(one)
            self.given = True

    def _give(self, pid: int) -> None:
        folder = self._folder / f"tollway-benchmark-{pid}"
        folder.mkdir()
        self._made.append(folder)
        quota_us = int(SHARE * _PERIOD_US)
        if (folder / "cpu.max").exists():
            (folder / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        (folder / "cgroup.procs").write_text(str(pid))

    def clear(self) -> None:
        """Take them away; the processes have ended."""
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def quotas() -> Iterator[Quotas]:
    """Make quotas that last as long as the block, by version 1 of cgroups or by version 2."""
    first = _CGROUPS / "cpu"
    if not first.exists():
        with suppress(OSError):
            (_CGROUPS / "cgroup.subtree_control").write_text("+cpu")
    made = Quotas(first if first.exists() else _CGROUPS)
    try:
        yield made
    finally:
        made.clear()


def measure(asked: Asked, pid: int, seconds: int) -> Measured:
    """Measure a running gateway."""
    wrk(asked, CONNECTIONS, 1, CPUS)  # warm
    gateway_s, busy_s, began_s = cpu_s(pid), _busy_s(), time.perf_counter()
    done = wrk(asked, CONNECTIONS, seconds, CPUS)
    gateway_s, busy_s, took_s = cpu_s(pid) - gateway_s, _busy_s() - busy_s, time.perf_counter() - began_s
    good = max(1, done.requests - done.errors)
    others_s = busy_s - gateway_s
    return Measured(good / done.seconds, gateway_s / good * 1e6, others_s / good * 1e6, busy_s / took_s)


def report(rows: dict[int, list[Measured]], *, shared_out: bool) -> None:
    """Print medians."""
    how = f"{SHARE:g} of a core for each worker" if shared_out else "no quotas here: all share the cores"
    print(f"{CONNECTIONS} connections; {how}.\n")
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
