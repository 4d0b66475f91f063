"""Buckets in Redis, which all gateways that share it take from; when it is away, those of this machine serve.

One script decides, by Redis' own clock, about all calls that came since the last round trip (`redis.lua`).
All keys have one hash tag, so that they lie on one node of a cluster, and expire when their bucket is full.

No call waits for more than 5 ms. One that is not decided by then is decided on this machine, where each
bucket is a copy of what Redis said last. When Redis decides the call later, and otherwise, it is made up for
there: a call that was made is charged, one that was not gets back what it was charged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from .bucket import Claim, Decision, LimitStore, decision
from .rate import Rate
from .redis_client import address_of, clients_of
from .redis_script import START_S, WAIT_S, RedisScript, give_up_after

_OVERDUE = 5
"""When nothing came back for so many times what a call may wait, calls do not wait at all."""

_MAX_QUEUE = 10_000

_PREFIX = b"tollway:{limits}:"


class _Call:
    """Claims that Redis is to decide; `was_allowed` is what this machine decided meanwhile, if it did."""

    __slots__ = ("claims", "decided", "takes", "was_allowed")

    def __init__(
        self, claims: Sequence[Claim], *, takes: bool = True, was_allowed: bool | None = None
    ) -> None:
        self.claims = claims
        self.takes = takes
        self.was_allowed = was_allowed
        self.decided: asyncio.Future[list[Decision]] | None = None

    def write(self, keys: list[Any], arguments: list[Any]) -> None:
        """See `Operation.write`."""
        arguments += (int(self.takes), len(self.claims))
        for rate, key, tokens in self.claims:
            keys.append(_PREFIX + key.hex().encode())
            arguments += (rate.speed, rate.interval, rate.capacity, tokens)


class RemoteStore:
    """Buckets in Redis; see `LimitStore`. For one event loop.

    `connect` makes a client of `redis.asyncio`, and what is closed with it; `shown` says where it is. `local`
    are the buckets of this machine. `on_change` is called with whether Redis serves whenever that changes,
    `on_local` for every call that it did not decide in time.
    """

    def __init__(
        self,
        connect: Callable[[], Sequence[Any]],
        shown: str,
        local: LimitStore,
        *,
        on_change: Callable[[bool], None] = lambda _: None,
        on_local: Callable[[], None] = lambda: None,
        wait_s: float = WAIT_S,
        start_s: float = START_S,
        script: str | None = None,
    ) -> None:
        self._wait_s = wait_s
        self._local = local
        self._on_local = on_local
        self._redis: RedisScript[_Call] = RedisScript(
            connect,
            script or script_text(),
            self,
            name="limits",
            shown=shown,
            on_change=on_change,
            start_s=start_s,
        )

    async def start(self) -> None:
        """Connect; after a moment go on without."""
        self._loop = asyncio.get_running_loop()
        await self._redis.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._redis.close()
        await self._local.close()

    def reserve(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.reserve`."""
        self._local.reserve(rate, key)

    def release(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.release`."""
        self._local.release(rate, key)

    def note(self, claims: Sequence[Claim], missing: Sequence[int]) -> None:
        """See `LimitStore.note`."""
        self._local.note(claims, missing)

    def take_nowait(self, claims: Sequence[Claim]) -> list[Decision] | None:
        """See `LimitStore.take_nowait`."""
        redis = self._redis
        if redis.is_up and self._loop.time() - redis.asked_s < _OVERDUE * self._wait_s:
            return None
        call = _Call(claims)
        decisions = self._decide_here(call)
        if redis.is_up:
            self._send(call)  # it is charged as soon as Redis listens again
        return decisions

    async def take(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take`."""
        call = _Call(claims)
        decided: asyncio.Future[list[Decision]] = self._loop.create_future()
        call.decided = decided
        self._send(call)
        timer = give_up_after(self._wait_s, decided, lambda: decided.set_result(self._decide_here(call)))
        try:
            return await decided
        finally:
            timer.cancel()

    def adjust(self, claims: Sequence[Claim]) -> None:
        """See `LimitStore.adjust`."""
        if self._redis.is_up:
            self._send(_Call(claims, takes=False))
        else:
            self._local.adjust(claims)

    def _send(self, call: _Call) -> None:
        if self._redis.queued < _MAX_QUEUE:
            self._redis.send(call)
        elif call.decided is not None:
            call.decided.set_result(self._decide_here(call))

    def _decide_here(self, call: _Call) -> list[Decision]:
        """Decide on this machine."""
        self._on_local()
        decisions = self._local.take_nowait(call.claims)
        assert decisions is not None
        call.was_allowed = all(one.allowed for one in decisions)
        return decisions

    def catch_up(self) -> None:
        """See `Operator.catch_up`: Redis counts from what it has."""

    def deliver(self, batch: Sequence[_Call], answer: Sequence[Any]) -> None:
        """See `Operator.deliver`: every call gets its decision, and this machine notes it."""
        at = 0
        for call in batch:
            count = len(call.claims)
            allowed, missing = answer[at : at + 2 * count : 2], answer[at + 1 : at + 2 * count : 2]
            at += 2 * count
            self._local.note(call.claims, missing)
            if call.takes:
                self._decided(call, allowed, missing)

    def _decided(self, call: _Call, allowed: Sequence[int], missing: Sequence[int]) -> None:
        decided = call.decided
        if decided is not None and not decided.done():
            decided.set_result(
                [
                    decision(claim.rate, one, claim.tokens, bool(yes))
                    for claim, yes, one in zip(call.claims, allowed, missing, strict=True)
                ]
            )
            return
        # Nobody waited for this. What counts is whether the call was made.
        was_made = False if call.was_allowed is None else call.was_allowed
        if was_made != all(allowed):
            sign = 1 if was_made else -1
            self.adjust([Claim(rate, key, sign * tokens) for rate, key, tokens in call.claims])

    def drop(self, operations: Sequence[_Call]) -> None:
        """See `Operator.drop`: this machine decides them."""
        for call in operations:
            if call.decided is not None and not call.decided.done():
                call.decided.set_result(self._decide_here(call))
            elif not call.takes:
                self._local.adjust(call.claims)


def script_text() -> str:
    """Return the script that decides."""
    return files(__package__).joinpath("redis.lua").read_text()


def remote_store(
    url: str,
    local: LimitStore,
    *,
    on_change: Callable[[bool], None] = lambda _: None,
    on_local: Callable[[], None] = lambda: None,
) -> RemoteStore:
    """Return the buckets in the Redis that a URL names. Raises ValueError for a URL that is none."""
    address = address_of(url)
    return RemoteStore(
        partial(clients_of, address), address.shown, local, on_change=on_change, on_local=on_local
    )
