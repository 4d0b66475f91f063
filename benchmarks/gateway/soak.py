"""Memory over time under a steady load: a fixed rate of requests, RSS every second, and a picture of it."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from load import Asked, rss_mib

from tollway.tracing.store import FileStore

TICK_S = 0.01

BLOCKS = 12
"""Means of so many parts of the time are what the slope is fitted to: single seconds are not independent."""

_TRACE_ID = b"x-tollway-trace-id: "

STUDENT = 2.228
"""Student's t of a confidence of 95 % with `BLOCKS - 2` degrees of freedom."""


class Slope(NamedTuple):
    """How fast memory grew, and the half of the interval in which that is with a confidence of 95 %."""

    kib_a_minute: float
    noise: float

    def __str__(self) -> str:
        return f"{self.kib_a_minute:+.1f} ± {self.noise:.1f} KiB a minute"


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a soak saw: RSS in MiB by second, how many of these are warm-up, and answers by being a 200."""

    rss_mib: Sequence[float]
    warm_up_s: int
    good: int
    bad: int
    slowest_s: float
    trace_ids: Sequence[bytes]
    """Those that the answers told."""

    def slope(self) -> Slope:
        """Return how fast memory grew after the warm-up, by least squares on the means of `BLOCKS` parts."""
        kept = self.rss_mib[self.warm_up_s :]
        size = len(kept) // BLOCKS
        if size == 0:
            return Slope(math.nan, math.nan)
        means = [statistics.fmean(kept[at : at + size]) for at in range(0, size * BLOCKS, size)]
        x = range(BLOCKS)
        slope, intercept = statistics.linear_regression(x, means)
        residuals = sum((mean - intercept - slope * at) ** 2 for at, mean in zip(x, means, strict=True))
        spread = sum((at - statistics.fmean(x)) ** 2 for at in x)
        error = math.sqrt(residuals / (BLOCKS - 2) / spread)
        to_kib_a_minute = 1024 * 60 / size
        return Slope(slope * to_kib_a_minute, STUDENT * error * to_kib_a_minute)


class Client(asyncio.Protocol):
    """Asks when it is told to, one request at a time, and counts."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._left = b""
        self.free = True
        self.good = self.bad = 0
        self.asked_s = self.slowest_s = 0.0
        self.trace_ids: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.free:
            self.bad += 1
        self.free = False

    def ask(self) -> None:
        self.free = False
        self.asked_s = time.perf_counter()
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._left += data
        head, found, body = self._left.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        if len(body) >= length:
            self.slowest_s = max(self.slowest_s, time.perf_counter() - self.asked_s)
            good = head.startswith(b"HTTP/1.1 200 ")
            self.trace_ids.append(head.partition(_TRACE_ID)[2][:32])
            self.good, self.bad = self.good + good, self.bad + (not good)
            self._left, self.free = b"", True


async def soak(
    asked: Asked, pid: int, rate: float, seconds: float, warm_up: Callable[[], object], connections: int = 64
) -> Soaked:
    """Run the warm-up, then send `rate` requests a second for so long; watch memory all the time."""
    rss: list[float] = []
    watching = asyncio.create_task(_watch(pid, rss))
    await asyncio.to_thread(warm_up)
    warm_up_s = len(rss)
    url = urlsplit(asked.url)
    body = asked.body
    request = (
        f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    clients: deque[Client] = deque()
    for _ in range(connections):
        clients.append((await loop.create_connection(lambda: Client(request), url.hostname, url.port))[1])
    last_s = loop.time()
    end_s, due = last_s + seconds, 0.0
    while (now_s := loop.time()) < end_s:
        due = min(due + rate * (now_s - last_s), rate)  # what was not sent within a second is not made up for
        last_s = now_s
        for client in list(clients):
            if due < 1:
                break
            clients.rotate(-1)  # each has its turn: one that is idle for long is hung up on
            if client.free:
                client.ask()
                due -= 1
        await asyncio.sleep(TICK_S)
    watching.cancel()
    good, bad = sum(client.good for client in clients), sum(client.bad for client in clients)
    for client in clients:
        client.transport.abort()
    slowest_s = max(client.slowest_s for client in clients)
    trace_ids = [trace_id for client in clients for trace_id in client.trace_ids]
    return Soaked(rss, warm_up_s, good, bad, slowest_s, trace_ids)


def missing(soaked: Soaked, path: Path) -> int:
    """Return how many answers have no trace in a store."""
    store = FileStore(path)
    found = {trace_id for day in store.layout.days() for trace_id in store.trace_ids(day)}
    return sum(trace_id.decode() not in found for trace_id in soaked.trace_ids)


async def _watch(pid: int, rss: list[float]) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while True:
        rss.append(rss_mib(pid))
        await asyncio.sleep(began_s + len(rss) - loop.time())


def picture(soaked: Soaked, path: Path) -> None:
    """Draw RSS over time as SVG."""
    width, height, margin = 720, 240, 40
    rss = soaked.rss_mib
    top = max(rss) * 1.1
    right, floor = width - margin, height - margin
    step = (right - margin) / max(1, len(rss) - 1)
    points = " ".join(
        f"{margin + step * second:.1f},{floor - (floor - margin) * mib / top:.1f}"
        for second, mib in enumerate(rss)
    )
    warm = margin + step * soaked.warm_up_s
    title = (
        f"RSS over {len(rss) / 60:.0f} minutes and {soaked.good:,} requests after a warm-up: "
        f"{rss[-1]:.0f} MiB, {soaked.slope()}"
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<text x="{margin}" y="24" font-size="13">{title}</text>'
        f'<rect x="{margin}" y="{margin}" width="{warm - margin:.1f}" height="{floor - margin}" fill="#eee"/>'
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>'
        f'<path d="M{margin} {floor}H{right}" stroke="#999"/>'
        f'<text x="2" y="{margin}" font-size="11">{top:.0f} MiB</text>'
        f'<text x="2" y="{floor}" font-size="11">0</text>'
        f'<text x="{right}" y="{floor + 16}" font-size="11" text-anchor="end">{len(rss) / 60:.0f} min</text>'
        "</svg>\n"
    )
