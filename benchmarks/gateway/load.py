"""Load and how it is measured: wrk for whole answers, a counting reader for streams, /proc for CPU and
memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

MESSAGES = [{"role": "user", "content": "What is a toll road? Answer in one sentence, please."}]

TURN = (
    'A toll is due at the bridge, as the sign says: "keep your ticket". It is paid in coins, by card, or\n'
    "by a box behind the windscreen; who has none takes the lane on the right and waits for the barrier.\n"
) * 10
"""One turn of a long conversation, about 500 tokens."""

_CPUCLOCK_SCHED = 2
"""With a process's number, the name of the clock of its CPU time (Linux, `posix-timers.h`)."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def conversation(tokens: int) -> list[dict[str, str]]:
    """Return messages of about so many tokens."""
    if not tokens:
        return MESSAGES
    left = tokens * 4
    messages = []
    while left > 0:
        role = "assistant" if len(messages) % 2 else "user"
        messages.append({"role": role, "content": TURN[:left]})
        left -= len(TURN)
    return messages


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of request."""

    url: str
    headers: dict[str, str]
    model: str
    stream: bool = False
    prompt_tokens: int = 0
    """About so many, at four bytes each; 0 for a sentence."""

    @property
    def body(self) -> bytes:
        """Its JSON."""
        payload: dict[str, object] = {"model": self.model, "messages": conversation(self.prompt_tokens)}
        if self.stream:
            payload["stream"] = True
        return json.dumps(payload, separators=(",", ":")).encode()


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process and its descendants have used, by the kernel's clock of each.

    To the nanosecond: the hundredths of a second of `/proc/PID/stat` are more than an idle gateway takes.
    """
    total_s = 0.0
    for one in tree(pid):
        with suppress(OSError):  # it has ended
            total_s += time.clock_gettime(~one << 3 | _CPUCLOCK_SCHED)
    return total_s


def own_cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process itself has used, without its descendants."""
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process and its descendants."""
    total = 0
    for one in tree(pid):
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            continue
    return total * _PAGE_BYTES / 2**20


WRK = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["content-type"] = "application/json"
{headers}
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True, slots=True)
class Whole:
    """What wrk found: requests, seconds, errors, and latencies in microseconds."""

    requests: int
    seconds: float
    errors: int
    p50_us: int
    p99_us: int


def wrk(asked: Asked, connections: int, seconds: int, cpu: int | str) -> Whole:
    """Send whole requests as fast as they are answered, from one pinned core (or several: "0,1")."""
    headers = "\n".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}" for k, v in asked.headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK.format(body=json.dumps(asked.body.decode()), headers=headers))
        script.flush()
        command = ["taskset", "-c", str(cpu), shutil.which("wrk") or "wrk", "-t1", f"-c{connections}"]
        done = subprocess.run(
            [*command, f"-d{seconds}s", "-s", script.name, asked.url],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 60,
        )
    match = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", done.stdout)
    assert match, done.stdout + done.stderr
    requests, duration_us, errors, p50, p99 = map(int, match.groups())
    return Whole(requests, duration_us / 1e6, errors, p50, p99)


class Reader(asyncio.Protocol):
    """Asks for one stream after the other and counts events, without looking at them otherwise."""

    def __init__(self, request: bytes, counts: Counts) -> None:
        self._request = request
        self._counts = counts
        self._asked_s = 0.0
        self._first = True
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone
        self._ask()

    def _ask(self) -> None:
        if self._transport.is_closing():  # the time is up
            return
        self._first, self._tail = True, b""
        self._asked_s = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        seen = data.count(b"data: ")
        if self._first and seen:
            self._first = False
            self._counts.first_s.append(time.perf_counter() - self._asked_s)
        self._counts.events += seen
        self._tail = (self._tail + data)[-64:]
        if b"[DONE]" in self._tail and self._tail.rstrip().endswith((b"0", b"[DONE]")):
            self._counts.streams += 1
            if b"\r\n0\r\n\r\n" in self._tail:
                self._ask()
            else:
                asyncio.get_running_loop().call_later(0.001, self._ask)

    def connection_lost(self, error: Exception | None) -> None:
        self._counts.lost += 1


class Counts:
    """What the readers of one run saw."""

    def __init__(self) -> None:
        self.events = 0
        self.streams = 0
        self.lost = 0
        self.first_s: list[float] = []


async def read_streams(asked: Asked, streams: int, seconds: float) -> Counts:
    """Keep so many streams open at once for so long."""
    host, _, path = asked.url.removeprefix("http://").partition("/")
    address, port = host.split(":")
    headers = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
    body = asked.body
    request = (
        f"POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{headers}"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    counts = Counts()
    loop = asyncio.get_running_loop()
    connections = [
        await loop.create_connection(lambda: Reader(request, counts), address, int(port))
        for _ in range(streams)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in connections:
        transport.abort()
    return counts
