"""What a store of budgets does. Light to import: a gateway without budgets loads nothing else of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from .budget import Budget
    from .periods import Window


class BudgetFileError(Exception):
    """What is spent cannot be kept: no file can be made, or another gateway has it."""


class Denial(NamedTuple):
    """The budget that denies a call. Not `is_spent` if calls in flight may yet give something back."""

    budget: Budget
    window: Window
    is_spent: bool


Starts = list[int]
"""When periods began, in Unix time."""

Alert = Callable[["Budget", int], None]
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
