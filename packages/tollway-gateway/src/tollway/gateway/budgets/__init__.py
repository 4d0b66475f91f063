"""Budgets: amounts of money a calendar period; `pipeline/spending.py` asks them for every call."""

from .budget import Alert, Budget, BudgetStore, Denial, Starts
from .file import BudgetFile, BudgetFileError
from .wiring import budgets_of

__all__ = [
    "Alert",
    "Budget",
    "BudgetFile",
    "BudgetFileError",
    "BudgetStore",
    "Denial",
    "Starts",
    "budgets_of",
]
