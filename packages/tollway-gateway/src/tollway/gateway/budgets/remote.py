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
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from typing import Any

from tollway.gateway.limits.redis_client import address_of, clients_of
from tollway.gateway.limits.redis_script import START_S, WAIT_S, RedisScript, give_up_after

from .budget import Budget
from .file import BudgetFile
from .store import Alert, Denial, Starts

_log = logging.getLogger(__name__)

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

    def write(self, keys: list[Any], arguments: list[Any]) -> None:
        """See `Operation.write`."""
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

    def write(self, keys: list[Any], arguments: list[Any]) -> None:
        """See `Operation.write`."""
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

    def write(self, keys: list[Any], arguments: list[Any]) -> None:
        """See `Operation.write`."""
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
        start_s: float = START_S,
    ) -> None:
        self._local = local
        self._wait_s = wait_s
        self.now_s = local.now_s
        self.placed = local.placed
        self._said: dict[bytes, tuple[Budget, int, int]] = {}
        """By the key of a budget: when a period began, and what Redis said last is spent in it."""
        self._owed: deque[_Charge] = deque()
        """What was spent while Redis was away."""
        script = files(__package__).joinpath("budgets.lua").read_text()
        self._redis: RedisScript[_Operation] = RedisScript(
            connect,
            script,
            self,
            name="budgets",
            shown=shown,
            on_change=on_change,
            start_s=start_s,
        )

    @property
    def is_up(self) -> bool | None:
        """Whether Redis serves; None before the first call, which connects."""
        return self._redis.is_up if self._redis.is_started else None

    def place(self, budget: Budget) -> None:
        """See `BudgetStore.place`."""
        self._local.place(budget)

    def spent(self, budget: Budget) -> tuple[int, int]:
        """See `BudgetStore.spent`; as Redis said last."""
        return self._local.spent(budget)

    def reserve_nowait(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial | None:
        """See `BudgetStore.reserve_nowait`."""
        if self._redis.is_up or not self._redis.is_started:
            return None
        return self._reserve_here(budgets, picousd)

    async def reserve(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        """See `BudgetStore.reserve`."""
        if not self._redis.is_started:
            await self._redis.start()
        if not self._redis.is_up:
            return self._reserve_here(budgets, picousd)
        now_s = self.now_s()
        starts = [budget.window(now_s).start_s for budget in budgets]
        reserved: asyncio.Future[Starts | Denial] = asyncio.get_running_loop().create_future()
        self._redis.send(_Reserve(budgets, starts, picousd, reserved))
        timer = give_up_after(self._wait_s, reserved, lambda: reserved.set_exception(TimeoutError()))
        try:
            return await reserved
        except OSError:
            return self._reserve_here(budgets, picousd)
        finally:
            timer.cancel()

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
            if self._redis.is_up:
                self._redis.send(charge)
            else:
                self._keep(charge)

    async def stop(self) -> None:
        """Disconnect, after what calls cost was charged."""
        if not self._redis.is_started:
            return
        if left := await self._redis.flush():
            _log.warning("%d charges did not reach the budgets' storage", left)
        await self._redis.close()

    def close(self) -> None:
        """See `BudgetStore.close`."""
        self._local.close()

    def _reserve_here(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        starts = self._local.reserve_nowait(budgets, picousd)
        return starts if isinstance(starts, Denial) else [start << _SLICE_BITS | _HERE for start in starts]

    def _keep(self, charge: _Charge) -> None:
        """Keep what Redis does not know yet; reservations lapse there by themselves."""
        if charge.picousd:
            if charge.slice != _HERE:
                self._local.charge(charge.budgets, charge.starts, 0, charge.picousd, charge.alert)
            self._owed.append(_Charge(charge.budgets, charge.starts, (0, _HERE), charge.picousd, _no_alert))

    def catch_up(self) -> None:
        """See `Operator.catch_up`: what Redis may have forgotten, and what was spent while it was away."""
        now_s = self.now_s()
        for key, budget in self.placed.items():
            start_s = budget.window(now_s).start_s
            _, begun_s, said = self._said.get(key) or (budget, start_s, self._local.spent(budget)[0])
            if begun_s == start_s and said:
                self._redis.send(_Remind(budget, start_s, said))
        self._redis.send(*self._owed)
        self._owed.clear()

    def deliver(self, batch: Sequence[_Operation], answer: Sequence[Any]) -> None:
        """See `Operator.deliver`: this machine notes what is spent."""
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
                self._redis.send(_Charge(budgets, starts, (asked.picousd, now_slice), 0, _no_alert))
        elif denied:
            budget = budgets[denied - 1]
            is_spent = spent[denied - 1] >= budget.amount_picousd
            asked.decided.set_result(Denial(budget, budget.window(starts[denied - 1]), is_spent))
        else:
            asked.decided.set_result([start_s << _SLICE_BITS | now_slice for start_s in starts])

    def drop(self, operations: Sequence[_Operation]) -> None:
        """See `Operator.drop`: this machine does them."""
        for operation in operations:
            if isinstance(operation, _Charge):
                self._keep(operation)
            elif isinstance(operation, _Reserve) and not operation.decided.done():
                operation.decided.set_exception(ConnectionError("the budgets' storage is away"))


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
