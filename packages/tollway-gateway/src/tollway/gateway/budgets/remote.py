"""Budgets in Redis, which all gateways that share it spend from; while it is away each machine counts alone.

One script reserves and charges for all calls that came since the last round trip (`budgets.lua`). A key
stands for a budget in one period and expires after it; all keys have one hash tag, so that they lie on one
node of a cluster. What a gateway that died had reserved lapses after half an hour.

What Redis says is spent is noted in the file of this machine, which decides while Redis is away or does not
answer in 5 ms. When it is back, it is charged what was spent meanwhile, and told what it had said before: it
may have lost that.
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

from tollway.gateway.limits.redis_client import address_of, clients_of

from .budget import Budget
from .file import BudgetFile
from .store import Alert, Denial, Starts

_log = logging.getLogger(__name__)

WAIT_S = 0.005
"""How long a call may wait."""

_START_S = 1.0
"""How long the first call may wait for the first connection, and the end for what was not charged yet."""

_LATE_S = 0.002
"""When the event loop is so late, Redis' answer may be there and not read yet."""

_RETRY_S = 0.5
_MAX_OPERATIONS = 128
"""Of one round trip."""

_KEPT_S = 2 * 86_400
"""How long a key is kept after the end of its period: calls that began in it have ended by then."""

_SLICE_BITS = 24
_HERE = 0
"""The slice of what was reserved on this machine."""

_PREFIX = "tollway:{budgets}"


class _Reserve:
    """Amounts that Redis is to reserve; `decided` is what is waited for, or was."""

    __slots__ = ("budgets", "decided", "picousd", "starts")

    def __init__(
        self, budgets: Sequence[Budget], starts: Starts, picousd: int, decided: asyncio.Future[Any]
    ) -> None:
        self.budgets = budgets
        self.starts = starts
        self.picousd = picousd
        self.decided = decided

    def write(self, keys: list[str], arguments: list[Any]) -> None:
        """Append what the script takes."""
        arguments += ("R", self.picousd, len(self.budgets))
        for budget, start_s in zip(self.budgets, self.starts, strict=True):
            keys.append(_key_of(budget, start_s))
            arguments += (budget.amount_picousd, _expires_s(budget, start_s))


class _Charge:
    """Costs that Redis is to charge."""

    __slots__ = ("alert", "budgets", "held", "picousd", "slice", "starts")

    def __init__(
        self,
        budgets: Sequence[Budget],
        starts: Starts,
        held: tuple[int, int],
        picousd: int,
        alert: Alert,
    ) -> None:
        self.budgets = budgets
        self.starts = starts
        self.held, self.slice = held
        self.picousd = picousd
        self.alert = alert

    def write(self, keys: list[str], arguments: list[Any]) -> None:
        """Append what the script takes."""
        arguments += ("C", self.held, self.slice, self.picousd, len(self.budgets))
        for budget, start_s in zip(self.budgets, self.starts, strict=True):
            keys.append(_key_of(budget, start_s))
            arguments.append(_expires_s(budget, start_s))


class _Remind:
    """What Redis said is spent, should it have forgotten."""

    __slots__ = ("budgets", "picousd", "starts")

    def __init__(self, budget: Budget, start_s: int, picousd: int) -> None:
        self.budgets = (budget,)
        self.starts = [start_s]
        self.picousd = picousd

    def write(self, keys: list[str], arguments: list[Any]) -> None:
        """Append what the script takes."""
        (budget,), (start_s,) = self.budgets, self.starts
        keys.append(_key_of(budget, start_s))
        arguments += ("M", self.picousd, _expires_s(budget, start_s))


_Operation = _Reserve | _Charge | _Remind


class RemoteBudgets:
    """Budgets in Redis; see `BudgetStore`. For one event loop, whose first call connects.

    `connect` makes a client of `redis.asyncio`, and what is closed with it; `shown` says where it is. `local`
    are the budgets of this machine. The starts that it gives hold the slice of the reservation as well.
    """

    def __init__(
        self,
        connect: Callable[[], Sequence[Any]],
        shown: str,
        local: BudgetFile,
        *,
        on_change: Callable[[bool], None] = lambda _: None,
        wait_s: float = WAIT_S,
    ) -> None:
        self._connect = connect
        self._shown = shown
        self._local = local
        self._on_change = on_change
        self._wait_s = wait_s
        self.now_s = local.now_s
        self.placed = local.placed
        self._script = files(__package__).joinpath("budgets.lua").read_text()
        self._digest = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._queue: deque[_Operation] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._said: dict[bytes, tuple[Budget, int, int]] = {}
        """By the key of a budget: when a period began, and what Redis said last is spent in it."""
        self._owed: deque[_Charge] = deque()
        """What was spent while Redis was away."""
        self._work = asyncio.Event()
        self._reached = asyncio.Event()
        self._up = False
        self._has_warned = False
        self._pump: asyncio.Task[None] | None = None

    def place(self, budget: Budget) -> None:
        """See `BudgetStore.place`."""
        self._local.place(budget)

    def spent(self, budget: Budget) -> tuple[int, int]:
        """See `BudgetStore.spent`; as Redis said last."""
        return self._local.spent(budget)

    def reserve_nowait(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial | None:
        """See `BudgetStore.reserve_nowait`."""
        if self._up or self._pump is None:
            return None
        return self._reserve_here(budgets, picousd)

    async def reserve(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        """See `BudgetStore.reserve`."""
        if self._pump is None:
            await self._start()
        if not self._up:
            return self._reserve_here(budgets, picousd)
        now_s = self.now_s()
        starts = [budget.window(now_s).start_s for budget in budgets]
        asked = _Reserve(budgets, starts, picousd, asyncio.get_running_loop().create_future())
        self._put(asked)
        loop = asked.decided.get_loop()
        timer = loop.call_later(self._wait_s, self._give_up, asked, loop.time() + self._wait_s)
        try:
            decided: Starts | Denial = await asked.decided
        except OSError:
            return self._reserve_here(budgets, picousd)
        finally:
            timer.cancel()
        return decided

    def charge(
        self, budgets: Sequence[Budget], starts: Starts, held: int, picousd: int, alert: Alert
    ) -> None:
        """See `BudgetStore.charge`; Redis is told in the next round trip, which is under way at once."""
        begun = [start >> _SLICE_BITS for start in starts]
        at = starts[0] & ((1 << _SLICE_BITS) - 1)
        if at == _HERE:
            self._local.charge(budgets, begun, held, picousd, alert)
            held = 0
        if held or picousd:
            charge = _Charge(budgets, begun, (held, at), picousd, _no_alert if at == _HERE else alert)
            if self._up:
                self._put(charge)
            else:
                self._keep(charge)

    async def stop(self) -> None:
        """Disconnect, after what calls cost was charged."""
        if self._pump is None:
            return
        try:
            async with asyncio.timeout(_START_S):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("%d charges did not reach the budgets' storage", len(self._queue))
        self._pump.cancel()
        await asyncio.wait([self._pump])

    def close(self) -> None:
        """See `BudgetStore.close`."""
        self._local.close()

    async def _start(self) -> None:
        self._pump = asyncio.create_task(self._serve())
        try:
            async with asyncio.timeout(_START_S):
                await self._reached.wait()
        except TimeoutError:
            self._go_down("it does not answer")

    def _reserve_here(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        starts = self._local.reserve_nowait(budgets, picousd)
        return starts if isinstance(starts, Denial) else [start << _SLICE_BITS | _HERE for start in starts]

    def _give_up(self, asked: _Reserve, due_s: float) -> None:
        """End a call's wait, unless it is we who are late: then once more, after what came was read."""
        if asked.decided.done():
            return
        loop = asked.decided.get_loop()
        if loop.time() - due_s > _LATE_S:
            loop.call_later(0.001, self._give_up, asked, math.inf)
        else:
            asked.decided.set_exception(TimeoutError())

    def _put(self, operation: _Operation) -> None:
        self._queue.append(operation)
        self._idle.clear()
        self._work.set()

    def _keep(self, charge: _Charge) -> None:
        """Keep what Redis does not know yet; reservations lapse there by themselves."""
        if charge.picousd:
            if charge.slice != _HERE:
                self._local.charge(charge.budgets, charge.starts, 0, charge.picousd, charge.alert)
            self._owed.append(_Charge(charge.budgets, charge.starts, (0, _HERE), charge.picousd, _no_alert))

    async def _serve(self) -> None:
        """Carry operations to Redis and back, for ever."""
        while True:
            clients: Sequence[Any] = ()
            batch: list[_Operation] = []
            try:
                clients = self._connect()
                client = clients[0]
                await client.script_load(self._script)
                self._catch_up()
                self._go_up()
                while True:
                    if not self._queue:
                        self._idle.set()
                        self._work.clear()
                        await self._work.wait()
                    count = min(len(self._queue), _MAX_OPERATIONS)
                    batch = [self._queue.popleft() for _ in range(count)]
                    self._deliver(batch, await self._run(client, batch))
                    batch = []
            except Exception as error:  # whatever a client raises, calls go on
                self._go_down(" ".join(str(error).split()) or type(error).__name__)
                self._drop([*batch, *self._queue])
                self._idle.set()
            finally:
                for client in clients:
                    await _close(client)
            self._reached.set()
            await asyncio.sleep(_RETRY_S)

    def _catch_up(self) -> None:
        """Put first what Redis may have forgotten, and what it does not know."""
        now_s = self.now_s()
        for key, budget in self.placed.items():
            start_s = budget.window(now_s).start_s
            _, begun_s, said = self._said.get(key) or (budget, start_s, self._local.spent(budget)[0])
            if begun_s == start_s and said:
                self._queue.append(_Remind(budget, start_s, said))
        self._queue.extend(self._owed)
        self._owed.clear()

    async def _run(self, client: Any, batch: Sequence[_Operation]) -> list[Any]:
        from redis.exceptions import NoScriptError

        keys: list[str] = []
        arguments: list[Any] = []
        for operation in batch:
            operation.write(keys, arguments)
        try:
            answer: list[Any] = await client.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:  # a replica became the master, or somebody flushed the scripts
            answer = await client.eval(self._script, len(keys), *keys, *arguments)
        return answer

    def _deliver(self, batch: Sequence[_Operation], answer: Sequence[Any]) -> None:
        at = 0
        for operation in batch:
            count = len(operation.budgets)
            now_slice, denied = int(answer[at]), int(answer[at + 1])
            spent = [int(one) for one in answer[at + 2 : at + 2 + count]]
            at += 2 + count
            for budget, start_s, amount in zip(operation.budgets, operation.starts, spent, strict=True):
                self._said[budget.key] = budget, start_s, amount
                self._local.note(budget, start_s, amount)
            if isinstance(operation, _Charge):
                _tell(operation, spent)
            elif isinstance(operation, _Reserve):
                self._decided(operation, now_slice, denied, spent)

    def _decided(self, asked: _Reserve, now_slice: int, denied: int, spent: Sequence[int]) -> None:
        budgets, starts = asked.budgets, asked.starts
        if asked.decided.done():  # it did not wait so long, and was decided here
            if not denied:
                self._put(_Charge(budgets, starts, (asked.picousd, now_slice), 0, _no_alert))
        elif denied:
            budget = budgets[denied - 1]
            is_spent = spent[denied - 1] >= budget.amount_picousd
            asked.decided.set_result(Denial(budget, budget.window(starts[denied - 1]), is_spent))
        else:
            asked.decided.set_result([start_s << _SLICE_BITS | now_slice for start_s in starts])

    def _drop(self, operations: Sequence[_Operation]) -> None:
        """Have operations that Redis did not answer done on this machine."""
        self._queue.clear()
        for operation in operations:
            if isinstance(operation, _Charge):
                self._keep(operation)
            elif isinstance(operation, _Reserve) and not operation.decided.done():
                operation.decided.set_exception(ConnectionError("the budgets' storage is away"))

    def _go_up(self) -> None:
        self._up = True
        self._on_change(True)
        self._reached.set()
        if self._has_warned:
            self._has_warned = False
            _log.warning("the budgets' storage %s is back: budgets are shared again", self._shown)

    def _go_down(self, why: str) -> None:
        self._up = False
        self._on_change(False)
        if not self._has_warned:
            self._has_warned = True
            _log.warning(
                "the budgets' storage %s is away (%s): budgets count on this machine alone until it is back",
                self._shown,
                why,
            )


def remote_budgets(
    url: str, local: BudgetFile, *, on_change: Callable[[bool], None] = lambda _: None
) -> RemoteBudgets:
    """Return the budgets in the Redis that a URL names. Raises ValueError for a URL that is none."""
    address = address_of(url)
    return RemoteBudgets(partial(clients_of, address), address.shown, local, on_change=on_change)


def _key_of(budget: Budget, start_s: int) -> str:
    return f"{_PREFIX}:{budget.key.hex()}:{start_s}"


def _expires_s(budget: Budget, start_s: int) -> int:
    return budget.window(start_s).end_s + _KEPT_S


def _tell(charge: _Charge, spent: Sequence[int]) -> None:
    """Tell of the budgets whose alert this charge has passed."""
    for budget, after in zip(charge.budgets, spent, strict=True):
        alert = budget.alert_picousd
        if alert is not None and after - charge.picousd < alert <= after:
            charge.alert(budget, after)


def _no_alert(budget: Budget, spent_picousd: int) -> None:
    """Tell nobody: it was told on this machine."""


async def _close(client: Any) -> None:
    try:
        async with asyncio.timeout(_START_S):
            await client.aclose()
    except Exception:
        _log.debug("a connection to the budgets' storage could not be closed", exc_info=True)
