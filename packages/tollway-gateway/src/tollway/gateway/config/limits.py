"""Reading `limit`, of endpoints, routes and keys: one, or a list of them."""

from __future__ import annotations

from typing import Any

from tollway.gateway.limits.rate import MAX_BURST, Rate

from . import scalars
from .nodes import At, Field, each, fields, renamed
from .problems import InvalidValue

_HEADER = "header:"


def limits(at: At) -> list[dict[str, Any]]:
    """Read `limit`."""
    return each(at, _limit) if at.is_list else [_limit(at)]


def _limit(at: At) -> dict[str, Any]:
    table = {
        "calls": Field(_count),
        "renewal_period": Field(scalars.period_s, required=True),
        "burst": Field(_count),
        "key": Field(_key),
        "tokens": Field(_count),
    }
    found = fields(at, table)
    entries = at.entries()
    if "calls" not in entries and "tokens" not in entries:
        at.problem("limits neither calls nor tokens", "add calls, tokens, or both")
    if "burst" in entries and "calls" not in entries:
        entries["burst"][1].problem(
            "burst is that of calls, which are not limited", "add calls, or remove it"
        )
    calls, burst, period_s = found.get("calls"), found.get("burst"), found.get("renewal_period")
    if calls and burst and period_s:
        try:
            Rate.per_period(calls, period_s, burst)
        except ValueError as error:
            entries["burst"][1].problem(str(error), "lower burst, or raise calls")
    return renamed(found, renewal_period="renewal_period_s")


def _count(at: At) -> int:
    value = scalars.count(at)
    if value > MAX_BURST:
        raise InvalidValue(f"must be at most {MAX_BURST}, not {at.shown}")
    return value


def _key(at: At) -> str:
    written = scalars.text(at).strip()
    value = written.lower()
    if value in ("endpoint", "client"):
        return value
    if value.startswith(_HEADER):
        return _HEADER + scalars.header_name(value.removeprefix(_HEADER).strip(), at)
    raise InvalidValue(
        f"limits cannot go by {at.shown}",
        "write endpoint (one limit for all callers), client (one for each address) or header:NAME",
    )
