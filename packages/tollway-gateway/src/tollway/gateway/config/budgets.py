"""Reading `budget`, of endpoints, routes and keys (one, or a list), and `auth.budgets`, of tags."""

from __future__ import annotations

from typing import Any, get_args

from tollway.gateway.cost import PICOUSD

from . import scalars
from .nodes import At, Field, each, fields
from .prices import usd
from .problems import InvalidValue, did_you_mean
from .values import BudgetPeriod

_MOST_USD = 1_000_000
_UTC = "UTC"


def budgets(at: At) -> list[dict[str, Any]]:
    """Read `budget`."""
    return each(at, _budget) if at.is_list else [_budget(at)]


def tag_budgets(at: At) -> list[dict[str, Any]]:
    """Read `auth.budgets`: each is that of all keys with certain tags."""
    return each(at, lambda item: _budget(item, {"tags": Field(_tags, required=True)}))


def _budget(at: At, more: dict[str, Field] | None = None) -> dict[str, Any]:
    table = {
        **(more or {}),
        "amount": Field(_amount_picousd, required=True),
        "period": Field(scalars.choice(get_args(BudgetPeriod)), required=True),
        "timezone": Field(_zone),
        "alert_at": Field(scalars.share_above_0),
    }
    found = fields(at, table)
    if "amount" in found:
        found["amount_picousd"] = found.pop("amount")
    return found


def _amount_picousd(at: At) -> int:
    amount = usd(at)
    if not amount:
        raise InvalidValue("must be above 0", "remove the endpoint or the key instead, or give it an amount")
    if amount > _MOST_USD:
        raise InvalidValue(f"must be at most {_MOST_USD} USD, not {at.shown}")
    numerator, denominator = amount.as_integer_ratio()
    picousd, rest = divmod(numerator * PICOUSD, denominator)
    if rest:
        raise InvalidValue(f"{at.shown} has more than 12 decimals", "round it")
    return int(picousd)


def _zone(at: At) -> str:
    """Read the name of a time zone, such as Europe/Berlin."""
    name = scalars.text(at).strip()
    if name.upper() == _UTC:
        return _UTC
    import zoneinfo  # few configurations need it

    try:
        return zoneinfo.ZoneInfo(name).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            raise InvalidValue(
                f"there is no time zone {at.shown}: this system knows none", "pip install tzdata"
            ) from None
        hint = did_you_mean(name, known, "write a name such as Europe/Berlin")
        raise InvalidValue(f"there is no time zone {at.shown}", hint) from None


def _tags(at: At) -> dict[str, str]:
    if not at.entries():
        raise InvalidValue("there are no tags", "write {team: web}, as the keys have it")
    return fields(at, {key: Field(scalars.text) for key in at.entries()})
