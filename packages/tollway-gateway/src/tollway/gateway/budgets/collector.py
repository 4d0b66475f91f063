"""Budgets as Prometheus reads them. Imported at the first scrape: `prometheus_client` is slow to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from tollway.gateway.cost import PICOUSD

from .store import BudgetStore

if TYPE_CHECKING:
    from .remote import RemoteBudgets

_FAMILIES = (
    ("gateway_budget_spent_usd", "What is spent of a budget in the period of this moment."),
    ("gateway_budget_reserved_usd", "What calls in flight have reserved of a budget."),
    ("gateway_budget_amount_usd", "What may be spent of a budget in a period."),
)


def families_of(store: BudgetStore) -> Iterable[Metric]:
    """Yield what is spent, reserved and there of every budget; of all workers, whichever is asked."""
    rows = [(budget, (*store.spent(budget), budget.amount_picousd)) for budget in store.placed.values()]
    for index, (name, help_) in enumerate(_FAMILIES):
        family = GaugeMetricFamily(name, help_, labels=("budget", "period"))
        for budget, amounts in rows:
            family.add_metric((budget.name, budget.period), amounts[index] / PICOUSD)
        yield family


def storage_families(store: RemoteBudgets) -> Iterable[Metric]:
    """Yield whether Redis serves the worker that is asked, once that worker has had a call with a budget."""
    if store.is_up is not None:
        yield GaugeMetricFamily(
            "gateway_budgets_storage_up",
            "Whether the storage that the budgets of several machines share serves.",
            value=float(store.is_up),
        )
