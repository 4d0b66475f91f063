"""What open streams cost while nothing comes: the gateway's CPU and memory, alone and beside requests."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from load import Asked, cpu_s, rss_mib

STREAMS = 500
SETTLE_S = 5.0
"""A trace turns slow after a second of it, and is then written once."""

COLUMNS = {
    "idle": ("CPU ms a second, no requests", ".2f"),
    "cpu": ("CPU µs a request", ".1f"),
    "rps": ("requests/s", ",.0f"),
    "rss": ("RSS MiB", ".0f"),
}

Load = Callable[[], tuple[int, float]]
"""Asks for whole answers for a while, and returns how many there were, and in how many seconds."""


@contextmanager
def silent_streams(asked: Asked, number: int) -> Iterator[None]:
    """Keep streams open of which the first event came, and nothing since."""
    url, body = urlsplit(asked.url), asked.body
    head = f"POST {url.path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-type: application/json\r\n"
    request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    streams = [socket.create_connection((url.hostname, url.port)) for _ in range(number)]
    try:
        for stream in streams:
            stream.sendall(request)
        for stream in streams:
            got = b""
            while b"data: " not in got:
                more = stream.recv(65_536)
                assert more, f"a stream ended with {got!r}"
                got += more
        yield
    finally:
        for stream in streams:
            stream.close()


def measure(
    pid: int, asked: Asked, load: Load, rounds: int, seconds: int
) -> dict[int, list[dict[str, float]]]:
    """Measure a gateway in turn without such streams and with them; returned by their number."""
    results: dict[int, list[dict[str, float]]] = {0: [], STREAMS: []}
    for _ in range(rounds):
        for number, rows in results.items():
            with silent_streams(asked, number):
                time.sleep(SETTLE_S)
                rows.append(_measure_once(pid, load, seconds))
    return results


def _measure_once(pid: int, load: Load, seconds: int) -> dict[str, float]:
    before_s = cpu_s(pid)
    time.sleep(seconds)
    idle_s = cpu_s(pid) - before_s
    before_s = cpu_s(pid)
    requests, took_s = load()
    used_s = cpu_s(pid) - before_s
    return {
        "idle": idle_s / seconds * 1e3,
        "cpu": used_s / requests * 1e6,
        "rps": requests / took_s,
        "rss": rss_mib(pid),
    }


def report(results: dict[int, list[dict[str, float]]]) -> None:
    """Print the medians as a table."""
    print("| silent streams | " + " | ".join(title for title, _ in COLUMNS.values()) + " |")
    print("| ---: |" + " ---: |" * len(COLUMNS))
    for number, rows in results.items():
        figures = (
            format(statistics.median(row[key] for row in rows), form) for key, (_, form) in COLUMNS.items()
        )
        print(f"| {number} | {' | '.join(figures)} |")
