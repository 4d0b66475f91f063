"""Budgets: amounts of money a calendar period; `pipeline/spending.py` asks them for every call."""

from .budget import Budget, BudgetStore, Charge, Denial, Hold
from .file import BudgetFile, BudgetFileError
from .wiring import budgets_of

__all__ = [
    "Budget",
    "BudgetFile",
    "BudgetFileError",
    "BudgetStore",
    "Charge",
    "Denial",
    "Hold",
    "budgets_of",
]
