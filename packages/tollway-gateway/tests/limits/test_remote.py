"""Buckets in a real Redis; what all stores promise is in `test_bucket.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.processes import free_port
from support.redis_server import RedisServer, redis_server
from tollway.gateway.limits import Claim, LocalStore, Rate
from tollway.gateway.limits.redis_client import address_of, clients_of
from tollway.gateway.limits.remote import RemoteStore, remote_store

HOUR_US = 3_600_000_000
KEY = b"chat" * 4
TEN = Claim(Rate(1, HOUR_US, 10), KEY, 1)
PATIENT_S = 20.0


class Seen:
    """What a store told."""

    def __init__(self) -> None:
        self.up: list[bool] = []
        self.local = 0
        self.changed = asyncio.Event()

    def on_change(self, up: bool) -> None:
        self.up.append(up)
        self.changed.set()

    def on_local(self) -> None:
        self.local += 1

    async def until(self, up: bool) -> None:
        while self.up[-1:] != [up]:
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def opened(url: str, seen: Seen, wait_s: float = PATIENT_S) -> Any:
    address = address_of(url)
    store = RemoteStore(
        lambda: clients_of(address),
        address.shown,
        LocalStore(lambda: 0),
        on_change=seen.on_change,
        on_local=seen.on_local,
        wait_s=wait_s,
        start_s=PATIENT_S,
    )
    await store.start()
    try:
        yield store
    finally:
        await store.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test()

    asyncio.run(bounded())


async def take(store: RemoteStore, *claims: Claim) -> bool:
    decisions = store.take_nowait(claims)
    if decisions is None:
        decisions = await store.take(claims)
    return all(decision.allowed for decision in decisions)


@pytest.fixture
def empty(redis: RedisServer) -> RedisServer:
    redis.ask("FLUSHALL")
    return redis


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A server that a test may stop."""
    with redis_server(tmp_path) as server:
        yield server


def test_gateways_share_the_buckets(empty: RedisServer):
    """Two of them take from one, and nothing is decided elsewhere."""

    async def test() -> None:
        seen = Seen()
        async with opened(empty.url, seen) as one, opened(empty.url, seen) as other:
            assert [True] * 10 == [await take(store, TEN) for store in (one, other) * 5]
            assert [False, False] == [await take(store, TEN) for store in (one, other)]
        assert (0, [True, True]) == (seen.local, seen.up)

    run(test)


def test_calls_that_come_together_take_one_round_trip(empty: RedisServer):
    """A hundred of them: the first goes alone, all others in its wake."""

    async def test() -> None:
        async with opened(empty.url, Seen()) as store:
            before = _calls(empty)
            claims = [Claim(TEN.rate, number.to_bytes(16), 1) for number in range(100)]
            assert all(await asyncio.gather(*(take(store, claim) for claim in claims)))
            assert _calls(empty) - before <= 2

    run(test)


def _calls(server: RedisServer) -> int:
    """Return how many scripts a server has run by their digest."""
    import socket

    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"INFO commandstats\r\nQUIT\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return sum(
        int(line.split("calls=")[1].split(",")[0])
        for line in text.splitlines()
        if line.startswith("cmdstat_evalsha:")
    )


def test_keys_have_one_hash_tag_and_expire_when_full(empty: RedisServer):
    """So that a cluster has them on one node, and nothing is left of callers who are gone."""

    async def test() -> None:
        async with opened(empty.url, Seen()) as store:
            await take(store, Claim(Rate(1, 10_000_000, 5), KEY, 3))
        key = empty.ask("RANDOMKEY")
        assert "tollway:{limits}:" + KEY.hex() == key
        assert 20_000 < int(empty.ask("PTTL", key)[1:]) <= 30_001

    run(test)


def test_what_is_given_back_leaves_no_key(empty: RedisServer):
    async def test() -> None:
        async with opened(empty.url, Seen()) as store:
            await take(store, TEN)
            store.adjust([TEN._replace(tokens=-1)])
            assert await take(store, TEN._replace(tokens=10))
            store.adjust([TEN._replace(tokens=-10)])
            await take(store, Claim(TEN.rate, b"-" * 16, 11))
        assert ":0" == empty.ask("DBSIZE")

    run(test)


def test_flushed_scripts_are_sent_again(empty: RedisServer):
    """As after a failover to a replica that never had them."""

    async def test() -> None:
        seen = Seen()
        async with opened(empty.url, seen) as store:
            empty.ask("SCRIPT", "FLUSH")
            assert await take(store, TEN)
            assert (0, [True]) == (seen.local, seen.up)

    run(test)


def test_a_caller_that_does_not_wait_gets_its_tokens_back(empty: RedisServer):
    """It hung up while Redis was asked."""

    async def test() -> None:
        async with opened(empty.url, Seen()) as store:
            waiting = asyncio.ensure_future(store.take([TEN._replace(tokens=10)]))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert not await take(store, TEN._replace(tokens=11))  # what was queued before is decided
            assert await take(store, TEN._replace(tokens=10))

    run(test)


def test_when_redis_is_away_this_machine_decides(own: RedisServer, caplog: pytest.LogCaptureFixture):
    """By what Redis said last, with one warning; and Redis again once it is back, with all its tokens."""

    async def test() -> None:
        seen = Seen()
        async with opened(own.url, seen) as store:
            assert [True] * 6 == [await take(store, TEN) for _ in range(6)]
            own.stop()
            assert [True] * 4 + [False] * 3 == [await take(store, TEN) for _ in range(7)]
            assert (7, [True, False]) == (seen.local, seen.up)
            own.start()
            await seen.until(True)
            assert [True] * 10 + [False] == [await take(store, TEN) for _ in range(11)]
            assert 7 == seen.local
        away, back = [record.getMessage() for record in caplog.records if "storage" in record.getMessage()]
        assert "is away" in away
        assert "is back" in back

    run(test)


def test_when_redis_hangs_a_call_is_decided_here(own: RedisServer):
    """After a moment; when it goes on, it is charged what was decided meanwhile, and serves again."""

    async def test() -> None:
        seen = Seen()
        async with opened(own.url, seen, wait_s=0.005) as store:
            own.hang()
            assert [True] * 10 + [False] == [await take(store, TEN) for _ in range(11)]
            assert 11 == seen.local
            await seen.until(False)
            own.go_on()
            await seen.until(True)
            assert await store.take([TEN])

    run(test)


def test_a_short_hang_changes_nothing(own: RedisServer):
    """Redis was charged for every call that was made without it."""

    async def test() -> None:
        async with opened(own.url, Seen(), wait_s=0.005) as store:
            own.hang()
            first = await take(store, TEN)
            second = await take(store, TEN)
            own.go_on()
            store._wait_s = PATIENT_S
            decisions = await store.take([TEN])
            assert (True, True) == (first, second)
            assert (True, 7) == decisions[0][:2]

    run(test)


def test_a_gateway_starts_without_redis(tmp_path: Path):
    """And is told of it."""

    async def test() -> None:
        seen = Seen()
        async with opened("redis://127.0.0.1:1", seen) as store:
            assert await take(store, TEN)
        assert {False} == {*seen.up}

    run(test)


def test_a_cluster(tmp_path: Path):
    """All keys are of one slot, so one node decides."""
    bus = ("--cluster-port", str(free_port()))
    with redis_server(tmp_path, "--cluster-enabled", "yes", *bus) as node:
        node.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while node.ask("CLUSTER", "INFO") != "cluster_state:ok":
            pass

        async def test() -> None:
            seen = Seen()
            async with opened(f"redis+cluster://127.0.0.1:{node.port}", seen) as store:
                claims = [Claim(TEN.rate, bytes([number]) * 16, 1) for number in range(5)]
                assert [True] * 10 + [False] == [await take(store, *claims) for _ in range(11)]
            assert (0, [True]) == (seen.local, seen.up)

        run(test)


def test_a_master_that_a_sentinel_names(tmp_path: Path):
    """With the password of the master."""
    (tmp_path / "data").mkdir()
    with redis_server(tmp_path / "data", "--requirepass", "hush") as master:
        config = tmp_path / "sentinel.conf"
        config.write_text(f"sentinel monitor chat 127.0.0.1 {master.port} 1\nsentinel auth-pass chat hush\n")
        with redis_server(tmp_path, sentinel=config) as sentinel:

            async def test() -> None:
                seen = Seen()
                url = f"redis+sentinel://:hush@127.0.0.1:{sentinel.port}/chat"
                async with opened(url, seen) as store:
                    assert [True] * 10 + [False] == [await take(store, TEN) for _ in range(11)]
                assert (0, [True]) == (seen.local, seen.up)

            run(test)


@pytest.mark.parametrize(
    ("url", "kind", "tls", "hosts", "database", "service"),
    [
        ("redis://h", "", False, [("h", 6379)], 0, ""),
        ("rediss://u:p%40@h:1/2", "", True, [("h", 1)], 2, ""),
        ("redis://[::1]:7", "", False, [("::1", 7)], 0, ""),
        ("redis+cluster://a:1,b", "cluster", False, [("a", 1), ("b", 6379)], 0, ""),
        ("rediss+sentinel://a,b:2/main/3", "sentinel", True, [("a", 26379), ("b", 2)], 3, "main"),
    ],
)
def test_urls(url: str, kind: str, tls: bool, hosts: list[tuple[str, int]], database: int, service: str):
    """Those of the library that MLflow reads them with."""
    address = address_of(url)
    assert (kind, tls, hosts, database, service) == (
        address.kind,
        address.tls,
        [*address.hosts],
        address.database,
        address.service,
    )
    if "@" in url:
        assert ("u", "p@") == (address.username, address.password)
    assert "p@" not in address.shown


@pytest.mark.parametrize(
    "url",
    [
        *("", "redis", "memcached://h", "redis://", "redis://h:x", "redis://h:0", "redis://h:99999"),
        *("redis://a,b", "redis://h/x", "redis://h/1/2", "redis://h?x=hush", "redis+sentinel://h"),
        *("redis+cluster://h/1", "redis://u:hush@", "redis://u:hush@:1"),
    ],
)
def test_what_is_no_url(url: str):
    """The message has no password."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the message is the library's in part
        remote_store(url, LocalStore(lambda: 0))
    assert "hush" not in str(error.value)
