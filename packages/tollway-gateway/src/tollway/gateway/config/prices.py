"""Reading `price` of an endpoint: USD in decimals, as whole numbers that are exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tollway.gateway.cost.money import price_of
from tollway.gateway.cost.prices import TIERS
from tollway.provider import Task

from .nodes import At, Field, fields
from .problems import InvalidValue

if TYPE_CHECKING:
    from decimal import Decimal

_EACH = frozenset({"request", "web_search"})
"""Prices of one; those of tokens are for `per` of them."""

_MULTIPLES = {"K": 10**3, "M": 10**6, "B": 10**9}
_DEFAULT_PER = 10**6

_MOST_USD = 10**9
_MOST_CHARACTERS = 60
_HINT = "write USD in plain decimals, such as 0.15"


def price_reader(task: Task | None) -> Callable[[At], dict[str, Any]]:
    """Return the reader of `price`; `task` is None where the endpoint does not say it."""

    def read(at: At) -> dict[str, Any]:
        table = {**{tier: Field(usd) for tier in TIERS}, "per": Field(_per)}
        found = fields(at, table)
        entries = at.entries()
        per = found.pop("per", _DEFAULT_PER)
        if not found and not entries.keys() & TIERS.keys():
            raise InvalidValue("there is no price", "add input and output, or request; 0 is a price")
        _check_whole(at, entries.keys() & TIERS.keys(), task)
        prices = {}
        for tier, value in found.items():
            try:
                prices[tier] = price_of(value, 1 if tier in _EACH else per)
            except ValueError:
                entries[tier][1].problem("the price of one token has more than 24 decimals", "round it")
        if not entries.keys() & (TIERS.keys() - _EACH):
            prices |= {"input": 0, "output": 0}
        return {"prices": prices}

    return read


def usd(at: At) -> Decimal:
    """Read an amount of USD exactly as it is written."""
    from decimal import Decimal, InvalidOperation  # few configurations need it

    value = at.scalar()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidValue(f"must be an amount of USD, not {at.shown}", _HINT)
    written = str(value) if isinstance(value, int | str) else at.node.value
    try:
        amount = Decimal(written.strip().removeprefix("$").replace("_", ""))
    except InvalidOperation:
        raise InvalidValue(f"must be an amount of USD, not {at.shown}", _HINT) from None
    if not amount.is_finite() or len(written) > _MOST_CHARACTERS:
        raise InvalidValue(f"must be an amount of USD, not {at.shown}", _HINT)
    if amount < 0:
        raise InvalidValue(f"must not be negative, and is {at.shown}")
    if amount > _MOST_USD or (amount and amount.adjusted() < -_MOST_CHARACTERS):
        raise InvalidValue(f"{at.shown} is too large for a price", _HINT)
    return amount


def _per(at: At) -> int:
    """Read a power of ten, as a number or as 1K, 1M."""
    value = at.scalar()
    text = str(value).strip().upper()
    multiple = _MULTIPLES.get(text[-1:], 1)
    digits = text[:-1] if multiple > 1 else text
    number = int(digits) * multiple if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0
    if number < 1 or str(number).strip("0") != "1":
        raise InvalidValue(f"must be a power of ten, not {at.shown}", "write 1M, 1K or 1")
    return number


def _check_whole(at: At, given: set[str], task: Task | None) -> None:
    """Note what has no price although other tokens have one: such calls would have no known cost."""
    if not given - _EACH:
        return
    for tier in ("input", "output"):
        if tier not in given and not (tier == "output" and task in (Task.EMBEDDINGS, None)):
            at.problem(f"there is no price for {tier}", f"add {tier}: 0 is a price too")
