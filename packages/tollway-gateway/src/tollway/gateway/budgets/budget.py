"""A budget, and what a store does with several of them at once.

A call passes while what is spent, and what calls in flight have reserved, is less than the amount. It
reserves what it may cost, and is charged what it costs. A call counts in the period in which it passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import NamedTuple, Protocol

from tollway.tracing.compiled import accept_proxies

from .periods import Period, Window, window_at


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
        period: Period,
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


class Denial(NamedTuple):
    """The budget that denies a call. Not `is_spent` if calls in flight may yet give something back."""

    budget: Budget
    window: Window
    is_spent: bool


Starts = list[int]
"""When periods began, in Unix time."""

Alert = Callable[[Budget, int], None]
"""Told of a budget that passes its alert, and what is spent of it."""


class BudgetStore(Protocol):
    """Where the amounts are. `now_s` gives Unix time in seconds."""

    now_s: Callable[[], float]

    placed: dict[bytes, Budget]
    """Every budget that was placed, by its key; the latest one where it was placed again."""

    def place(self, budget: Budget) -> None:
        """Find the place of a budget, for good. Raises BudgetFileError when there is none."""

    def reserve_nowait(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial | None:
        """Reserve an amount of all budgets or of none; None where `reserve` must be awaited for that.

        Returns when the periods began in which the call counts, in the order of the budgets.
        """

    async def reserve(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        """Reserve an amount of all budgets or of none; see `reserve_nowait`."""

    def charge(
        self, budgets: Sequence[Budget], starts: Starts, held: int, picousd: int, alert: Alert
    ) -> None:
        """Charge what a call costs, and end its reservation; `alert` is told of budgets that pass theirs."""

    def spent(self, budget: Budget) -> tuple[int, int]:
        """Return what is spent and what is reserved in the period of this moment."""

    async def stop(self) -> None:
        """Say goodbye to other machines, in the event loop in which it was used."""

    def close(self) -> None:
        """Let go of it; what is spent stays."""
