"""Memory over time under a steady load: a fixed rate of requests, RSS every second, and a picture of it."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from load import Asked, rss_mib

TICK_S = 0.01
WARM_UP = 0.2
"""The part of a soak that its slope leaves out: pools, caches and buffers fill."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """What a soak saw: RSS in MiB by second, and answers by whether they were a 200."""

    rss_mib: Sequence[float]
    good: int
    bad: int

    def slope_mib_an_hour(self) -> float:
        """Return how fast memory grew after the warm-up, by least squares."""
        kept = self.rss_mib[int(len(self.rss_mib) * WARM_UP) :]
        seconds = range(len(kept))
        return statistics.linear_regression(seconds, kept).slope * 3600 if len(kept) > 1 else float("nan")


class Client(asyncio.Protocol):
    """Asks when it is told to, one request at a time, and counts."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._left = b""
        self.free = True
        self.good = self.bad = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        self.free = False
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
            good = head.startswith(b"HTTP/1.1 200 ")
            self.good, self.bad = self.good + good, self.bad + (not good)
            self._left, self.free = b"", True


async def soak(asked: Asked, pid: int, rate: float, seconds: float, connections: int = 64) -> Soaked:
    """Send `rate` requests a second for so long."""
    url = urlsplit(asked.url)
    body = asked.body
    request = (
        f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(request), url.hostname, url.port))[1]
        for _ in range(connections)
    ]
    rss: list[float] = []
    began_s, due = loop.time(), 0.0
    while (passed_s := loop.time() - began_s) < seconds:
        due = min(due + rate * TICK_S, rate)  # what could not be sent within a second is not made up for
        for client in clients:
            if due >= 1 and client.free:
                client.ask()
                due -= 1
        if passed_s >= len(rss):
            rss.append(rss_mib(pid))
        await asyncio.sleep(TICK_S)
    for client in clients:
        client.transport.abort()
    return Soaked(rss, sum(c.good for c in clients), sum(c.bad for c in clients))


def picture(soaked: Soaked, path: Path) -> None:
    """Draw RSS over time as SVG."""
    width, height, margin = 720, 240, 40
    top = max(soaked.rss_mib) * 1.1
    step = (width - 2 * margin) / max(1, len(soaked.rss_mib) - 1)
    points = " ".join(
        f"{margin + step * second:.1f},{height - margin - (height - 2 * margin) * mib / top:.1f}"
        for second, mib in enumerate(soaked.rss_mib)
    )
    title = (
        f"RSS over {len(soaked.rss_mib)} s, {soaked.good:,} requests: "
        f"{soaked.rss_mib[-1]:.0f} MiB, {soaked.slope_mib_an_hour():+.1f} MiB an hour after warm-up"
    )
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f'<text x="{margin}" y="24" font-size="13">{title}</text>'
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.5"/>'
        f'<path d="M{margin} {height - margin}H{width - margin}" stroke="#999"/>'
        f'<text x="2" y="{margin}" font-size="11">{top:.0f} MiB</text>'
        f'<text x="2" y="{height - margin}" font-size="11">0</text></svg>\n'
    )
