"""Option values that are more than one word: times, durations, sizes, pairs. Wrong ones end with 2."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import click

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)

_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}

_LONGEST_S = 1e10
"""Three centuries: neither ages nor durations are longer."""

_MOST_BYTES = 2.0**63

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.ASCII)

_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def duration_ms(text: str) -> float:
    """Read `300ms`, `2s`, or a number of milliseconds."""
    try:
        value = float(text)
    except ValueError:
        seconds = _span_s(text)
        if seconds is None:
            raise click.BadParameter(f"{text!r} is not a duration: write 300ms, 2s or 1m") from None
        return seconds * 1000
    if not 0 <= value < float("inf"):
        raise click.BadParameter(f"{text!r} is not a duration: write 300ms, 2s or 1m")
    return value


def age_s(text: str) -> float:
    """Read an age such as `7d`, in seconds."""
    seconds = _span_s(text)
    if seconds is None:
        raise click.BadParameter(f"{text!r} is not an age: write 12h, 7d or 4w")
    return seconds


def size_bytes(text: str) -> int:
    """Read `500MB`, `2GB` (powers of 1024) or a number of bytes."""
    match = _SIZE.fullmatch(text.strip().lower())
    size = float(match[1]) * _SIZES[match[2]] if match else math.inf
    if size > _MOST_BYTES:
        raise click.BadParameter(f"{text!r} is not a size: write 500MB or 2GB")
    return int(size)


def moment(text: str) -> datetime:
    """Read an ISO date or time (local, unless it says otherwise), or how long ago it was: `1h`, `2d`."""
    ago_s = _span_s(text)
    try:
        if ago_s is not None:
            return datetime.now(UTC) - timedelta(seconds=ago_s)
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is not a time: write 1h, 2d, 2026-11-25 or 2026-11-25T08:30"
        ) from None


def pair(text: str) -> tuple[str, str]:
    """Read `key=value`."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise click.BadParameter(f"{text!r} is not a pair: write key=value")
    return key, value


def _span_s(text: str) -> float | None:
    match = _SPAN.fullmatch(text.strip().lower())
    unit_s = _UNITS_S.get(match[2]) if match else None
    seconds = math.inf if match is None or unit_s is None else float(match[1]) * unit_s
    return seconds if seconds <= _LONGEST_S else None
