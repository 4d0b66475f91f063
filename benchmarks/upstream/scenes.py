"""What the clients are put through. Each scene runs in a process of its own and returns what it measured."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import cast

from clients import CLIENTS, Client, Settings
from servers import EVENT, PACE_S, PACED_EVENTS, STREAM_HEAD, Ways

from load import rss_mib  # isort: skip - of the gateway's benchmark, whose folder `servers` makes known

REQUESTS, AT_ONCE = 20_000, 32
STREAMS, OPEN_STREAMS = 192, 64
MANY = 1_000
NOTICED_WITHIN_S = 2.0

Figures = dict[str, float]


async def _share(jobs: int, at_once: int, job: Callable[[], Awaitable[int]]) -> tuple[float, int]:
    """Do a job so often, so many at once; return the CPU seconds it took and the sum of what came out."""
    left = iter(range(jobs))

    async def work() -> int:
        return sum([await job() for _ in left])

    before_s = time.process_time()
    total = sum(await asyncio.gather(*(work() for _ in range(at_once))))
    return time.process_time() - before_s, total


async def whole(client: Client, url: str) -> Figures:
    """Whole answers over kept connections."""
    await _share(AT_ONCE * 20, AT_ONCE, lambda: client.whole(url))
    used_s, _ = await _share(REQUESTS, AT_ONCE, lambda: client.whole(url))
    return {"CPU µs a request": used_s / REQUESTS * 1e6}


async def _events(client: Client, url: str) -> int:
    async with aclosing(client.stream(url)) as stream:  # type: ignore[type-var]  # every client has `aclose`
        return sum([data.count(b"data: ") async for data in stream])


async def streams(client: Client, url: str) -> Figures:
    """Streams that come as fast as they are taken."""
    await _share(OPEN_STREAMS, OPEN_STREAMS, lambda: _events(client, url))
    used_s, events = await _share(STREAMS, OPEN_STREAMS, lambda: _events(client, url))
    return {"CPU µs an event": used_s / events * 1e6}


async def many_streams(client: Client, url: str) -> Figures:
    """A thousand streams at once, each an event every quarter of a second."""
    before = rss_mib(os.getpid())
    asked = [asyncio.create_task(_events(client, url)) for _ in range(MANY)]
    await asyncio.sleep(PACED_EVENTS * PACE_S / 2)  # all are open: from here only events come
    grown, before_s = rss_mib(os.getpid()) - before, time.process_time()
    events = sum(await asyncio.gather(*asked))
    used_s = time.process_time() - before_s
    return {
        "events lost": MANY * PACED_EVENTS - events,
        "CPU µs an event": used_s / (events / 2) * 1e6,
        "KiB a stream": grown * 1024 / MANY,
    }


class _Server(asyncio.Protocol):
    """Says nothing, or only the beginning of a stream, and notes when it is hung up on."""

    def __init__(self, first_words: bytes, gone: asyncio.Event) -> None:
        self._first_words = first_words
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._first_words)

    def connection_lost(self, error: Exception | None) -> None:
        self._gone.set()


async def _noticed_s(client: Client, first_words: bytes, ask: Callable[[str], Awaitable[object]]) -> float:
    """Cancel a call that waits, and return after how long the server is hung up on; infinity: it is not."""
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(first_words, gone), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await ask(url)
    began_s = time.perf_counter()
    try:
        async with asyncio.timeout(NOTICED_WITHIN_S):
            await gone.wait()
    except TimeoutError:
        return float("inf")
    finally:
        server.close()
    return time.perf_counter() - began_s


async def cancelled(client: Client, url: str) -> Figures:
    """A call that runs into a time limit of `asyncio`'s, as it does when the caller goes away."""
    head = await _noticed_s(client, b"", client.whole)
    stream = await _noticed_s(client, STREAM_HEAD + EVENT, lambda url: _events(client, url))
    return {"ms until hung up, no head yet": head * 1e3, "ms until hung up, in a stream": stream * 1e3}


Scene = Callable[[Client, str], Awaitable[Figures]]
Way = Callable[[Ways], tuple[str, Settings]]


def _plain(ways: Ways) -> tuple[str, Settings]:
    return ways.http, Settings()


def _by_tls(ways: Ways) -> tuple[str, Settings]:
    return ways.https, Settings(trusted=ways.trusted)


def _by_http2(ways: Ways) -> tuple[str, Settings]:
    return ways.https, Settings(trusted=ways.trusted, http2=True)


def _by_proxy(ways: Ways) -> tuple[str, Settings]:
    return ways.http, Settings(proxy=ways.proxy)


SCENES: dict[str, tuple[Scene, Way]] = {
    "whole answers, 32 at once": (whole, _plain),
    "the same by TLS": (whole, _by_tls),
    "the same by a proxy": (whole, _by_proxy),
    "the same by HTTP/2 and TLS": (whole, _by_http2),
    "64 streams, unpaced": (streams, lambda ways: (ways.streams, Settings())),
    "1,000 streams, paced": (many_streams, lambda ways: (ways.paced, Settings())),
    "cancelled": (cancelled, lambda ways: ("", Settings())),  # its server is its own
}
"""By name: the scene, and the way to the server it is played with."""


async def play(name: str, client: str, ways: Ways) -> Figures:
    """Play one scene with one client; no figures where the client cannot."""
    scene, way = SCENES[name]
    url, settings = way(ways)
    try:
        made = CLIENTS[client](settings)
    except NotImplementedError:
        return {}
    try:
        return await scene(made, url)
    finally:
        await made.close()
