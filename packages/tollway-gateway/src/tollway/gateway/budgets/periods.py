"""Days, weeks and months of the calendar, in a time zone: pure functions.

A day of 23 or 25 hours (daylight saving time) is one day. Weeks begin on Monday (ISO 8601).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tollway.gateway.config.values import BudgetPeriod


class Window(NamedTuple):
    """One period, from its first second to the first one of the next, in Unix time."""

    start_s: int
    end_s: int


def window_at(period: BudgetPeriod, zone: tzinfo, now_s: float) -> Window:
    """Return the period that a moment lies in."""
    today = datetime.fromtimestamp(now_s, zone).date()
    first = _first_day(period, today)
    window = Window(_midnight_s(first, zone), _midnight_s(_next_first_day(period, first), zone))
    if now_s < window.start_s:  # a midnight that comes twice: the date was told before its day began
        return window_at(period, zone, now_s - 86_400)
    return window


def _first_day(period: BudgetPeriod, day: date) -> date:
    if period == "day":
        return day
    return day - timedelta(day.weekday()) if period == "week" else day.replace(day=1)


def _next_first_day(period: BudgetPeriod, first: date) -> date:
    if period == "month":
        return (first + timedelta(31)).replace(day=1)
    return first + timedelta(7 if period == "week" else 1)


def _midnight_s(day: date, zone: tzinfo) -> int:
    """Return when a day begins; where the clocks skip midnight, that is the moment in which they do."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
