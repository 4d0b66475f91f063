"""A budget, and what a store does with several of them at once.

A call passes while what is spent, and what calls in flight have reserved, is less than the amount. It
reserves what it may cost, and is charged what it costs. A call counts in the period in which it passed.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING

from tollway.tracing.compiled import accept_proxies

from .periods import Window, window_at

if TYPE_CHECKING:
    from tollway.gateway.config.values import BudgetPeriod

    from .store import BudgetStore


class Budget:
    """An amount of picoUSD for each `period` of the calendar in a time `zone`.

    `key` (16 bytes) says which it is, whatever its amount; a changed amount keeps what is spent.
    `alert_picousd` is an amount whose passing is told, None for none. `slot` is where its `store` keeps it.
    """

    def __init__(
        self,
        name: str,
        key: bytes,
        amount_picousd: int,
        period: BudgetPeriod,
        zone: tzinfo,
        store: BudgetStore,
        *,
        alert_picousd: int | None = None,
    ) -> None:
        self.name = name
        self.key = key
        self.amount_picousd = amount_picousd
        self.period = period
        self.zone = zone
        self.alert_picousd = alert_picousd
        self.slot = -1
        self.store = store
        self._window = Window(0, 0)

    def window(self, now_s: float) -> Window:
        """Return the period of this moment."""
        window = self._window
        if not window.start_s <= now_s < window.end_s:
            window = self._window = window_at(self.period, self.zone, now_s)
        return window


accept_proxies(Budget)
