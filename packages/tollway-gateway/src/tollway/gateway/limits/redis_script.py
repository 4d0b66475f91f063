"""A script in the Redis that gateways share: many operations a round trip, and reconnecting after an outage.

`limits/remote.py` and `budgets/remote.py` decide what an operation is, and what happens to it while Redis is
away.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

_log = logging.getLogger(__name__)

WAIT_S = 0.005
"""How long a call may wait for Redis."""

START_S = 1.0
"""How long the first connection may keep callers waiting, and the end an operation that is not sent yet."""

_LATE_S = 0.002
"""When the event loop is so late, Redis' answer may be there and not read yet."""

_RETRY_S = 0.5
"""Between two attempts to reach Redis again."""

_MAX_OPERATIONS = 128
"""Of one round trip."""


class Operation(Protocol):
    """One thing that the script does."""

    def write(self, keys: list[Any], arguments: list[Any]) -> None:
        """Append what the script takes."""


Op = TypeVar("Op", bound=Operation)

_Received_contra = TypeVar("_Received_contra", bound=Operation, contravariant=True)


class Operator(Protocol[_Received_contra]):
    """A store that sends operations."""

    def catch_up(self) -> None:
        """Send first, on a new connection, what Redis has to know."""

    def deliver(self, batch: Sequence[_Received_contra], answer: Sequence[Any]) -> None:
        """Take the script's answer to the operations of one round trip."""

    def drop(self, operations: Sequence[_Received_contra]) -> None:
        """Take back operations that Redis did not answer."""


class RedisScript(Generic[Op]):
    """Runs a script for the operations of one store, in one event loop.

    `connect` makes a client of `redis.asyncio`, and what is closed with it. `name` is what is kept there
    (`limits`), and `shown` where that is. `on_change` is called with whether Redis serves when that changes.
    """

    def __init__(
        self,
        connect: Callable[[], Sequence[Any]],
        script: str,
        operator: Operator[Op],
        *,
        name: str,
        shown: str,
        on_change: Callable[[bool], None],
        start_s: float = START_S,
    ) -> None:
        self._connect = connect
        self._start_s = start_s
        self._script = script
        self._digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._operator = operator
        self._name = name
        self._shown = shown
        self._on_change = on_change
        self.is_up = False
        self.asked_s = math.inf
        """When the round trip began that is under way, by the event loop's clock; infinite while none is."""
        self._queue: deque[Op] = deque()
        self._has_work = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._was_tried = asyncio.Event()
        self._has_warned = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_started(self) -> bool:
        """Whether `start` was called."""
        return self._task is not None

    @property
    def queued(self) -> int:
        """How many operations wait to be sent."""
        return len(self._queue)

    async def start(self) -> None:
        """Connect; after a moment go on without."""
        self._task = asyncio.create_task(self._serve())
        try:
            async with asyncio.timeout(self._start_s):
                await self._was_tried.wait()
        except TimeoutError:
            self._go_down("it does not answer")

    def send(self, *operations: Op) -> None:
        """Send operations in the next round trip, which begins at once when none is under way."""
        self._queue.extend(operations)
        self._is_idle.clear()
        self._has_work.set()

    async def flush(self) -> int:
        """Wait a moment until everything is answered; return how many operations were not sent."""
        try:
            async with asyncio.timeout(START_S):
                await self._is_idle.wait()
        except TimeoutError:
            return len(self._queue)
        return 0

    async def close(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _serve(self) -> None:
        """Carry operations to Redis and answers back, for ever."""
        while True:
            clients: Sequence[Any] = ()
            batch: list[Op] = []
            try:
                clients = self._connect()
                client = clients[0]
                await client.script_load(self._script)
                self._operator.catch_up()
                self._go_up()
                while True:
                    batch = await self._next_batch()
                    self._operator.deliver(batch, await self._run(client, batch))
                    batch = []
            except Exception as error:  # whatever a client raises, calls go on
                self._go_down(" ".join(str(error).split()) or type(error).__name__)
                left = [*batch, *self._queue]
                self._queue.clear()
                self._operator.drop(left)
                self._is_idle.set()
            finally:
                await self._close_all(clients)
            self._was_tried.set()
            await asyncio.sleep(_RETRY_S)

    async def _next_batch(self) -> list[Op]:
        queue = self._queue
        if not queue:
            self._is_idle.set()
            self._has_work.clear()
            await self._has_work.wait()
        return [queue.popleft() for _ in range(min(len(queue), _MAX_OPERATIONS))]

    async def _run(self, client: Any, batch: Sequence[Op]) -> list[Any]:
        from redis.exceptions import NoScriptError

        keys: list[Any] = []
        arguments: list[Any] = []
        for operation in batch:
            operation.write(keys, arguments)
        self.asked_s = asyncio.get_running_loop().time()
        try:
            answer: list[Any] = await client.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:  # a replica became the master, or somebody flushed the scripts
            answer = await client.eval(self._script, len(keys), *keys, *arguments)
        self.asked_s = math.inf
        return answer

    def _go_up(self) -> None:
        self.is_up = True
        self._on_change(True)
        self._was_tried.set()
        if self._has_warned:
            self._has_warned = False
            _log.warning(
                "the %s' storage %s is back: %s are shared again", self._name, self._shown, self._name
            )

    def _go_down(self, why: str) -> None:
        self.is_up = False
        self.asked_s = math.inf
        self._on_change(False)
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "the %s' storage %s is away (%s): %s count on this machine alone until it is back",
                *(self._name, self._shown, why, self._name),
            )

    async def _close_all(self, clients: Sequence[Any]) -> None:
        for client in clients:
            try:
                async with asyncio.timeout(START_S):
                    await client.aclose()
            except Exception:
                _log.debug("a connection to the %s' storage could not be closed", self._name, exc_info=True)


def give_up_after(
    wait_s: float, decided: asyncio.Future[Any], give_up: Callable[[], None]
) -> asyncio.TimerHandle:
    """Call `give_up` when nothing is decided after `wait_s`.

    When it is the event loop that is late, an answer may be there and not read yet: then once more, after
    that was read.
    """
    loop = decided.get_loop()
    due_s = loop.time() + wait_s

    def expire(due_s: float) -> None:
        if decided.done():
            return
        if loop.time() - due_s > _LATE_S:
            loop.call_later(0.001, expire, math.inf)
        else:
            give_up()

    return loop.call_later(wait_s, expire, due_s)
