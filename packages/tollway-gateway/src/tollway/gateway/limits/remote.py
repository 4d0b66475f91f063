"""Buckets in Redis, which all gateways that share it take from; when it is away, those of this machine serve.

One script decides, by Redis' own clock, about all calls that came since the last round trip (`redis.lua`).
All keys have one hash tag, so that they lie on one node of a cluster, and expire when their bucket is full.

No call waits for more than 5 ms. One that is not decided by then is decided on this machine, where each
bucket is a copy of what Redis said last. When Redis decides the call later, and otherwise, it is made up for
there: a call that was made is charged, one that was not gets back what it was charged.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from .bucket import Claim, Decision, LimitStore, decision
from .rate import Rate
from .redis_client import address_of, clients_of

_log = logging.getLogger(__name__)

WAIT_S = 0.005
"""How long a call may wait."""

_OVERDUE = 5
"""When nothing came back for so many times that, calls do not wait at all."""

_LATE_S = 0.002
"""When the event loop is so late, Redis' answer may be there and not read yet."""

_RETRY_S = 0.5
"""Between two attempts to reach Redis again."""

_START_S = 1.0
"""How long the first connection may keep a gateway from serving."""

_MAX_CALLS = 128
"""Of one round trip."""

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


class RemoteStore:
    """Buckets in Redis; see `LimitStore`. For one event loop.

    `connect` makes a client of `redis.asyncio`, and what is closed with it; `shown` says where it is. `local`
    are the buckets of this machine. `on_change` is told whether Redis serves whenever that changes,
    `on_local` of every call that it did not decide in time.
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
        script: str | None = None,
    ) -> None:
        self._connect = connect
        self._wait_s = wait_s
        self._shown = shown
        self._local = local
        self._on_change = on_change
        self._on_local = on_local
        self._script = script or script_text()
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._queue: deque[_Call] = deque()
        self._up = False
        self._has_warned = False
        self._asked_s = math.inf
        self._work = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; after a moment go on without."""
        self._loop = asyncio.get_running_loop()
        reached = asyncio.Event()
        self._pump = asyncio.create_task(self._serve(reached))
        try:
            async with asyncio.timeout(_START_S):
                await reached.wait()
        except TimeoutError:
            self._go_down("it does not answer")

    async def close(self) -> None:
        """Disconnect."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
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
        if self._up and self._loop.time() - self._asked_s < _OVERDUE * self._wait_s:
            return None
        call = _Call(claims)
        decisions = self._decide_here(call)
        if self._up:
            self._put(call)  # it is charged as soon as Redis listens again
        return decisions

    async def take(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take`."""
        call = _Call(claims)
        call.decided = self._loop.create_future()
        self._put(call)
        timer = self._loop.call_later(self._wait_s, self._give_up, call, self._loop.time() + self._wait_s)
        try:
            return await call.decided
        finally:
            timer.cancel()

    def adjust(self, claims: Sequence[Claim]) -> None:
        """See `LimitStore.adjust`."""
        if self._up:
            self._put(_Call(claims, takes=False))
        else:
            self._local.adjust(claims)

    def _put(self, call: _Call) -> None:
        if len(self._queue) < _MAX_QUEUE:
            self._queue.append(call)
            self._work.set()
        elif call.decided is not None:
            call.decided.set_result(self._decide_here(call))

    def _give_up(self, call: _Call, due_s: float) -> None:
        """End a call's wait, unless it is we who are late: then once more, after what came was read."""
        assert call.decided is not None
        if call.decided.done():
            return
        if self._loop.time() - due_s > _LATE_S:
            self._loop.call_later(0.001, self._give_up, call, math.inf)
        else:
            call.decided.set_result(self._decide_here(call))

    def _decide_here(self, call: _Call) -> list[Decision]:
        """Decide on this machine."""
        self._on_local()
        decisions = self._local.take_nowait(call.claims)
        assert decisions is not None
        call.was_allowed = all(one.allowed for one in decisions)
        return decisions

    async def _serve(self, reached: asyncio.Event) -> None:
        """Carry calls to Redis and back, for ever."""
        while True:
            clients: Sequence[Any] = ()
            batch: list[_Call] = []
            try:
                clients = self._connect()
                client = clients[0]
                await client.script_load(self._script)
                self._go_up()
                reached.set()
                while True:
                    await self._work.wait()
                    batch = self._next_batch()
                    self._asked_s = self._loop.time()
                    self._deliver(batch, await self._run(client, batch))
                    self._asked_s = math.inf
            except Exception as error:  # whatever a client raises, calls go on
                self._go_down(_told(error))
                self._drop([*batch, *self._queue])
            finally:
                await _close_all(clients)
            reached.set()
            await asyncio.sleep(_RETRY_S)

    def _next_batch(self) -> list[_Call]:
        queue = self._queue
        batch = [queue.popleft() for _ in range(min(len(queue), _MAX_CALLS))]
        if not queue:
            self._work.clear()
        return batch

    async def _run(self, client: Any, batch: Sequence[_Call]) -> list[int]:
        from redis.exceptions import NoScriptError

        keys: list[bytes] = []
        arguments: list[int] = []
        for call in batch:
            arguments += (int(call.takes), len(call.claims))
            for rate, key, tokens in call.claims:
                keys.append(_PREFIX + key.hex().encode())
                arguments += (rate.speed, rate.interval, rate.capacity, tokens)
        try:
            answer: list[int] = await client.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:  # a replica became the master, or somebody flushed the scripts
            answer = await client.eval(self._script, len(keys), *keys, *arguments)
        return answer

    def _deliver(self, batch: Sequence[_Call], answer: Sequence[int]) -> None:
        """Tell every call what was decided, and note it on this machine."""
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

    def _drop(self, calls: Sequence[_Call]) -> None:
        """Have calls that Redis did not decide decided on this machine."""
        self._queue.clear()
        self._work.clear()
        for call in calls:
            if call.decided is not None and not call.decided.done():
                call.decided.set_result(self._decide_here(call))
            elif not call.takes:
                self._local.adjust(call.claims)

    def _go_up(self) -> None:
        if not self._up:
            self._up = True
            self._on_change(True)
            if self._has_warned:
                self._has_warned = False
                _log.warning("the limits' storage %s is back: limits are shared again", self._shown)

    def _go_down(self, why: str) -> None:
        self._up = False
        self._asked_s = math.inf
        self._on_change(False)
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "the limits' storage %s is away (%s): limits count on this machine alone until it is back",
                self._shown,
                why,
            )


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


def _told(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


async def _close_all(clients: Sequence[Any]) -> None:
    for client in clients:
        try:
            async with asyncio.timeout(_START_S):
                await client.aclose()
        except Exception:
            _log.debug("a connection to the limits' storage could not be closed", exc_info=True)
