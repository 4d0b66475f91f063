"""The three states that buckets can be in: every test of the conformance suite runs on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.redis_server import RedisServer, redis_server
from tollway.gateway.limits import Claim, Decision, LimitStore, LocalStore, SharedStore
from tollway.gateway.limits.remote import RemoteStore, script_text

START_US = 1_000_000

STEPPED_SCRIPT = (
    script_text()
    .replace("redis.call('TIME')", "{0, tonumber(redis.call('GET', 'now'))}")
    .replace("'PX', string.format('%.0f', full_in_ms)", "'KEEPTTL'")
)
"""The script with a clock that tests step, and keys that the server's own clock does not expire."""


class Clock:
    """Counts nanoseconds, as far as a test says."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us * 1000


class Buckets:
    """A store as the tests ask it."""

    def __init__(self, clock: Clock, store: LimitStore) -> None:
        self.clock = clock
        self._store = store

    def wait(self, us: int) -> None:
        self.clock.now_us += us

    def take(self, *claims: Claim) -> list[Decision]:
        decisions = self._store.take_nowait(claims)
        assert decisions is not None
        return decisions

    def adjust(self, *claims: Claim) -> None:
        self._store.adjust(claims)


class RedisBuckets(Buckets):
    """A store that has to be waited for, in an event loop of its own; it begins with an empty Redis."""

    def __init__(self, server: RedisServer) -> None:
        store = RemoteStore(
            lambda: [client(server)],
            "redis",
            LocalStore(lambda: 0),
            wait_s=20,
            start_s=20,
            script=STEPPED_SCRIPT,
        )
        super().__init__(Clock(), store)
        server.ask("FLUSHALL")
        self._server = server
        self._runner = asyncio.Runner()
        self._runner.run(store.start())
        self.wait(0)

    def wait(self, us: int) -> None:
        super().wait(us)
        self._server.ask("SET", "now", self.clock.now_us)

    def take(self, *claims: Claim) -> list[Decision]:
        assert self._store.take_nowait(claims) is None
        return self._runner.run(self._store.take(claims))

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


def client(server: RedisServer) -> Any:
    """Return a client that waits as long as a test does."""
    from redis.asyncio import Redis

    return Redis(port=server.port, socket_timeout=20)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["local", "shared", "redis"])
def new_buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Buckets]]:
    """Makes buckets that are full, of one kind of store."""
    with ExitStack() as stack:
        made = iter(range(1000))

        def local() -> Buckets:
            clock = Clock()
            return Buckets(clock, LocalStore(clock))

        def shared() -> Buckets:
            clock = Clock()
            folder = tmp_path / str(next(made))
            folder.mkdir()
            return Buckets(clock, SharedStore(str(folder), clock, slots=256))

        def in_redis() -> Buckets:
            buckets = RedisBuckets(request.getfixturevalue("redis"))
            stack.callback(buckets.close)
            return buckets

        yield {"local": local, "shared": shared, "redis": in_redis}[request.param]


@pytest.fixture
def buckets(new_buckets: Callable[[], Buckets]) -> Buckets:
    return new_buckets()
