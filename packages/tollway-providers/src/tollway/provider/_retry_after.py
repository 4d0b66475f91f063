"""How long an upstream asks to be left alone: `Retry-After` (RFC 9110 section 10.2.3) and its relatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 7 * 24 * 3600.0
"""A longer wait is read as this one."""


def retry_after_s(headers: Mapping[str, str], now_s: Callable[[], float]) -> float | None:
    """Return the wait in seconds, None when none is asked for or it cannot be read.

    Reads `retry-after-ms` (OpenAI, Azure) before `retry-after` (seconds, or a date); `now_s` is Unix time.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _bounded(seconds)
    try:
        return _bounded(parsedate_to_datetime(value).timestamp() - now_s()) if value else None
    except (ValueError, OverflowError, TypeError, IndexError):  # all of them seen of odd dates
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value.partition(",")[0]) if value else math.nan  # a repeated field is joined by commas
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), MAX_RETRY_AFTER_S)
