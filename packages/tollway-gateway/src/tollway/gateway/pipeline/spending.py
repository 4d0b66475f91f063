"""What a call may spend: reserved of every budget that it meets before a model is asked, charged after."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from tollway.gateway.apis import APICall
from tollway.gateway.budgets.store import Denial, Starts
from tollway.gateway.cost import Unpriced, usd_text
from tollway.gateway.errors import RequestRejected

from .deadline import NEVER, Deadline
from .quota import estimated_parts

if TYPE_CHECKING:
    from tollway.gateway.budgets.budget import Budget

    from .endpoint import Endpoint
    from .record import Record

_log = logging.getLogger(__name__)

Budgets = tuple["Budget", ...]

_IN_FLIGHT_S = 1
"""When to ask again where only calls in flight stand in the way."""

_HOPELESS_S = 60
"""Clients wait no longer for a retry, and should not try one before."""


class Spending:
    """What one call has reserved, and what its answers are charged to.

    `of_request` are the budgets of its key and of its route; those of an endpoint are its own.
    """

    __slots__ = ("_budgets", "_held", "_of_request", "_others", "_record", "_starts")

    def __init__(self, of_request: Budgets, record: Record) -> None:
        self._of_request = of_request
        self._record = record
        self._budgets: Budgets = ()
        """Those of the request and of the endpoint that was asked first."""
        self._starts: Starts = []
        self._held = 0
        self._others: dict[Budget, tuple[int, int]] | None = None
        """Of the endpoints that were asked later: when the period began, and what is held."""

    def begin_nowait(self, endpoint: Endpoint, call: APICall) -> bool:
        """Reserve what the call may cost, of all budgets; False where `begin` must be awaited for that.

        Raises RequestRejected, a 429.
        """
        if not endpoint.pricing.is_ready:
            return False
        of_request = self._of_request
        budgets = of_request + endpoint.budgets if of_request else endpoint.budgets
        held = _estimate(endpoint, call)
        starts = budgets[0].store.reserve_nowait(budgets, held)
        if starts is None:
            return False
        if isinstance(starts, Denial):
            raise self._rejection(starts)
        self._budgets, self._starts, self._held = budgets, starts, held
        return True

    async def begin(self, endpoint: Endpoint, call: APICall, deadline: Deadline) -> None:
        """Reserve what the call may cost, of all budgets. Raises RequestRejected, a 429."""
        budgets = self._of_request + endpoint.budgets
        self._starts, self._held = await self._reserve(budgets, endpoint, call, deadline)
        self._budgets = budgets

    async def add(self, endpoint: Endpoint, call: APICall, deadline: Deadline) -> None:
        """Reserve also of the budgets of another endpoint, which is asked next. Raises RequestRejected."""
        others = self._others = self._others or {}
        budgets = tuple(
            budget for budget in endpoint.budgets if budget not in self._budgets and budget not in others
        )
        if budgets:
            starts, held = await self._reserve(budgets, endpoint, call, deadline)
            for budget, start_s in zip(budgets, starts, strict=True):
                others[budget] = start_s, held

    def charge(self, endpoint: Endpoint, cost: int | Unpriced) -> None:
        """Charge an answer; its part of the reservation ends. One without usage costs what was reserved."""
        budgets, starts, held = self._budgets, self._starts, self._held
        self._held = 0
        picousd = _charged(cost, held)
        if self._others is None:
            budgets[0].store.charge(budgets, starts, held, picousd, self._alert)
            return
        covered = (*self._of_request, *endpoint.budgets)
        for budget, start_s in zip(budgets, starts, strict=True):
            amount = picousd if budget in covered else 0
            budget.store.charge((budget,), [start_s], held, amount, self._alert)
        for budget in endpoint.budgets:
            if budget in self._others:
                start_s, reserved = self._others[budget]
                self._others[budget] = start_s, 0
                amount = _charged(cost, reserved)
                budget.store.charge((budget,), [start_s], reserved, amount, self._alert)

    def end(self) -> None:
        """Give back what is still reserved: nothing more will be answered."""
        if self._held:
            self._budgets[0].store.charge(self._budgets, self._starts, self._held, 0, self._alert)
            self._held = 0
        if self._others:
            for budget, (start_s, held) in self._others.items():
                if held:
                    budget.store.charge((budget,), [start_s], held, 0, self._alert)
            self._others.clear()

    async def _reserve(
        self, budgets: Budgets, endpoint: Endpoint, call: APICall, deadline: Deadline
    ) -> tuple[Starts, int]:
        """Return when the periods began, and what is reserved."""
        store = budgets[0].store
        with deadline.expect(NEVER):
            await endpoint.pricing.prepare()
            held = _estimate(endpoint, call)
            reserved = store.reserve_nowait(budgets, held)
            if reserved is None:
                reserved = await store.reserve(budgets, held)
        if isinstance(reserved, Denial):
            raise self._rejection(reserved)
        return reserved, held

    def _rejection(self, denial: Denial) -> RequestRejected:
        budget, window, is_spent = denial
        self._record.over_budget(budget.name)
        renews = datetime.fromtimestamp(window.end_s, budget.zone).isoformat()
        amount = usd_text(budget.amount_picousd)
        left_s = max(1, int(window.end_s - budget.store.now_s()) + 1)
        if is_spent:
            state = "is spent"
        else:
            state, left_s = "is reserved by calls in flight", min(left_s, _IN_FLIGHT_S)
        message = (
            f"the budget of {budget.name!r}, {amount} USD a {budget.period}, {state}; it renews at {renews}"
        )
        lines = b"retry-after: %d\r\n" % left_s
        if left_s > _HOPELESS_S:
            lines += b"x-should-retry: false\r\n"
        details = {"budget": budget.name, "renews_at": renews}
        return RequestRejected(429, "budget_exceeded", message, header_lines=lines, details=details)

    def _alert(self, budget: Budget, spent_picousd: int) -> None:
        _log.warning(
            "the budget of %r has passed its alert: %s of %s USD this %s are spent",
            budget.name,
            usd_text(spent_picousd),
            usd_text(budget.amount_picousd),
            budget.period,
        )
        self._record.budget_alert(budget.name, spent_picousd, budget.amount_picousd)


def _estimate(endpoint: Endpoint, call: APICall) -> int:
    """Return what a call may cost; 0 where the price is not known."""
    prices = endpoint.pricing.prices()
    if prices is None:
        return 0
    return prices.estimate_picousd(*estimated_parts(call))


def _charged(cost: int | Unpriced, held: int) -> int:
    """Return what is charged for an answer, of which so much is still reserved."""
    if isinstance(cost, int):
        return cost
    return held if cost is Unpriced.NO_USAGE else 0
