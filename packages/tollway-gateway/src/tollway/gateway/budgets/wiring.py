"""From config to budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollway.gateway.config.values import BudgetConfig

    from .budget import Budget
    from .store import BudgetStore


def budgets_of(
    name: str, kind: str, configs: Sequence[BudgetConfig], store: BudgetStore | None
) -> tuple[Budget, ...]:
    """Wire the budgets of one endpoint, route, key or tag; `kind` tells namesakes apart.

    What a budget has spent goes by its kind, name, period and time zone, and not by its amount.
    """
    if not configs:
        return ()
    import hashlib

    from .budget import Budget  # few configurations have any

    found: list[Budget] = []
    for config in configs:
        assert store is not None
        zone = config.timezone
        before = sum(one.period == config.period and str(one.zone) == zone for one in found)
        identity = f"{kind}\n{name}\n{config.period}\n{zone}\n{before}"
        alert = None if config.alert_at is None else round(config.amount_picousd * config.alert_at)
        key = hashlib.blake2b(identity.encode(), digest_size=16).digest()
        shown = f"{kind}:{name}" if kind else name
        budget = Budget(
            shown, key, config.amount_picousd, config.period, _zone(zone), store, alert_picousd=alert
        )
        store.place(budget)
        found.append(budget)
    return tuple(found)


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)
