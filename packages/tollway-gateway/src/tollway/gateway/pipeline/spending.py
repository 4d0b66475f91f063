"""What a call may spend: reserved of every budget that it meets before a model is asked, charged after."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from tollway.gateway.budgets import Budget, Charge, Denial, Hold
from tollway.gateway.cost import Unpriced, usd_text
from tollway.provider import Call, Task

from .deadline import NEVER, Deadline
from .errors import RequestRejected
from .quota import estimated_parts

if TYPE_CHECKING:
    from .endpoint import Endpoint
    from .record import Record

_log = logging.getLogger(__name__)

_IN_FLIGHT_S = 1
"""When to ask again where only calls in flight stand in the way."""

_HOPELESS_S = 60
"""Clients wait no longer for a retry, and should not try one before."""


class Spending:
    """What one call has reserved, and what its answers are charged to.

    `of_request` are the budgets of its key and of its route; those of an endpoint are its own.
    """

    __slots__ = ("_held", "_of_request", "_record")

    def __init__(self, of_request: tuple[Budget, ...], record: Record) -> None:
        self._of_request = of_request
        self._record = record
        self._held: dict[Budget, Hold] = {}

    async def begin(self, endpoint: Endpoint, call: Call, deadline: Deadline) -> None:
        """Reserve what the call may cost, of all budgets. Raises RequestRejected, a 429."""
        await self._reserve(self._of_request + endpoint.budgets, endpoint, call, deadline)

    async def add(self, endpoint: Endpoint, call: Call, deadline: Deadline) -> None:
        """Reserve also of the budgets of another endpoint, which is asked next. Raises RequestRejected."""
        budgets = tuple(budget for budget in endpoint.budgets if budget not in self._held)
        if budgets:
            await self._reserve(budgets, endpoint, call, deadline)

    def charge(self, endpoint: Endpoint, cost: int | Unpriced) -> None:
        """Charge an answer; its part of the reservation ends. One without usage costs what was reserved."""
        held = self._held
        charges = []
        budgets = self._of_request + endpoint.budgets
        for budget in budgets:
            hold = held.pop(budget, None)
            if hold is None:  # an answer before this one ended the reservation
                hold = Hold(budget, budget.window(budget.store.now_s()).start_s, 0)
            unknown = hold.picousd if cost is Unpriced.NO_USAGE else 0
            charges.append(Charge(hold, cost if isinstance(cost, int) else unknown))
        if charges:
            for budget in budgets[0].store.charge(charges):
                self._alert(budget)

    def end(self) -> None:
        """Give back what is still reserved: nothing more will be answered."""
        charges = [Charge(hold, 0) for hold in self._held.values()]
        if charges:
            self._held.clear()
            charges[0].hold.budget.store.charge(charges)

    async def _reserve(
        self, budgets: Sequence[Budget], endpoint: Endpoint, call: Call, deadline: Deadline
    ) -> None:
        pricing = endpoint.pricing
        if not pricing.is_ready:
            with deadline.expect(NEVER):
                await pricing.prepare()
        inputs, outputs = estimated_parts(call)
        prices = pricing.prices()
        estimate = (
            0
            if prices is None
            else prices.estimate_picousd(inputs, 0 if call.task is Task.EMBEDDINGS else outputs)
        )
        store = budgets[0].store
        reserved = store.reserve_nowait(budgets, estimate)
        if reserved is None:
            with deadline.expect(NEVER):
                reserved = await store.reserve(budgets, estimate)
        if isinstance(reserved, Denial):
            raise self._rejection(reserved)
        for hold in reserved:
            self._held[hold.budget] = hold

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

    def _alert(self, budget: Budget) -> None:
        spent, _ = budget.store.spent(budget)
        _log.warning(
            "the budget of %r has passed its alert: %s of %s USD this %s are spent",
            budget.name,
            usd_text(spent),
            usd_text(budget.amount_picousd),
            budget.period,
        )
        self._record.budget_alert(budget.name, spent, budget.amount_picousd)
