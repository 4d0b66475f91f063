"""Readers of single values, lenient where MLflow is: numbers in quotes, periods in words, any case."""

from __future__ import annotations

import difflib
import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from tollway.gateway.printable import REDACTED

from .nodes import At
from .problems import InvalidValue

_UNITS_S = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "m": 60.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "month": 30 * 86400.0,
    "year": 365 * 86400.0,
}
"""Seconds of each unit; a plural `s` is taken off before."""

MAX_COUNT = 2**53
"""Whole numbers above it are no longer exact where they are computed with."""

_MAX_PORT = 65535

MAX_SECONDS = 100 * _UNITS_S["year"]

_SPAN = re.compile(r"(\d+(?:\.\d+)?|)\s*([a-z]+)", re.ASCII)

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)", re.ASCII)

_MODE = re.compile(r"(?:0o?)?([0-7]{3})")

_NAME = re.compile(r"[a-zA-Z0-9_\-.]+", re.ASCII)

_ALIAS = re.compile(r"[a-zA-Z0-9_\-.:/@+]+", re.ASCII)

_HOST_PATTERN = re.compile(r"(\*\.)?[^\s:/@*\[\]]+", re.ASCII)

_ORIGIN = re.compile(r"[a-z][a-z0-9+.\-]*://((\*\.)?[^\s:/@*\[\]?#]+|\[[0-9a-f:.]+\])(:\d+)?", re.ASCII)

_PERIODS = "write second, minute, hour or day, or a number of them: 2 minutes"
_DURATIONS = "write 5s, 300ms, 2m, or a number of seconds"


def text(at: At) -> str:
    """Read text."""
    value = at.scalar()
    if not isinstance(value, str):
        raise InvalidValue(f"must be text, not {at.shown}", f'put it into quotes: "{value}"')
    if not value.strip():
        raise InvalidValue("must not be empty")
    return value


def name(at: At) -> str:
    """Read a name that can stand in a path."""
    value = text(at)
    if not _NAME.fullmatch(value):
        raise InvalidValue(f"{at.shown} is not a valid name", "use letters, digits, '_', '-' and '.' only")
    if not value.strip("."):  # clients resolve such a segment away
        raise InvalidValue(f"{at.shown} cannot stand in a path", "add a letter")
    return value


def alias(at: At) -> str:
    """Read the name of an endpoint or a route; also such as `openai/gpt-4o` and `llama3:8b`."""
    value = text(at)
    if not _ALIAS.fullmatch(value):
        raise InvalidValue(
            f"invalid name {at.shown}", "use letters, digits, '_', '-', '.', ':', '@', '+' and '/' only"
        )
    if not all(segment.strip(".") for segment in value.split("/")):  # clients resolve such segments away
        raise InvalidValue(f"{at.shown} cannot stand in a path", "add a letter before, between or after '/'")
    return value


def alias_pattern(at: At) -> str:
    """Read an `alias` in which one `*` may stand for any text."""
    value = text(at)
    if value.count("*") == 1 and _ALIAS.fullmatch(value.replace("*", "x")):
        return value
    if "*" in value:
        raise InvalidValue(f"invalid pattern {at.shown}", "write one '*', as in '*', 'gpt-*' or 'openai/*'")
    return alias(at)


def host(at: At) -> str:
    """Read a host name or address as it stands in a `Host` header, in lower case, or a pattern of some."""
    value = text(at).strip().lower()
    if ":" in value.strip("[]") and _is_ipv6(value.strip("[]")):
        return f"[{value.strip('[]')}]"
    if value != "*" and not _HOST_PATTERN.fullmatch(value):
        raise InvalidValue(f"{at.shown} is not a host name", "write the name alone, without scheme and port")
    return value


def origin(at: At) -> str:
    """Read the origin of web pages (RFC 6454 section 6.2), as browsers write it; `*` stands for many."""
    value = text(at).strip().lower()
    if value != "*" and not _ORIGIN.fullmatch(value):
        hint = "write scheme, host and port alone, such as https://app.example or http://localhost:3000"
        raise InvalidValue(f"{at.shown} is not an origin", hint)
    scheme, _, rest = value.partition("://")
    return value.removesuffix({"http": ":80", "https": ":443"}.get(scheme, "/")) if rest else value


def header_name(value: str, at: At) -> str:
    """Return the name of a header in lower case. Raises InvalidValue."""
    if not value.isascii() or not value.replace("-", "").replace("_", "").isalnum():
        raise InvalidValue(f"{at.shown} is not the name of a header", "write one such as X-Session-Id")
    return value.lower()


def flag(at: At) -> bool:
    """Read true or false."""
    value = at.scalar()
    if isinstance(value, str) and value.lower() in ("true", "false"):  # from the environment
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise InvalidValue(f"must be true or false, not {at.shown}")
    return value


def choice(options: Iterable[str]) -> Callable[[At], str]:
    """Return a reader of one of these words, written in any case."""
    words = {option.lower(): str(option) for option in options}

    def read(at: At) -> str:
        value = text(at)
        found = words.get(value.strip().lower())
        if found is None:
            all_words = ", ".join(words.values())
            close = difflib.get_close_matches(value.lower(), words, n=1)
            hint = f"did you mean {words[close[0]]!r}?" if close else ""
            raise InvalidValue(f"{at.shown} is not one of {all_words}", hint)
        return found

    return read


def count(at: At) -> int:
    """Read a whole number above 0."""
    value = _number(at)
    if value < 1 or value != int(value):
        raise InvalidValue(f"must be a whole number above 0, not {at.shown}")
    return _counted(at, value)


def port(at: At) -> int:
    """Read the number of a port."""
    value = count(at)
    if value > _MAX_PORT:
        raise InvalidValue(f"must be at most {_MAX_PORT}, not {at.shown}")
    return value


def count_or_0(at: At) -> int:
    """Read a whole number that is not negative."""
    value = _number(at)
    if value < 0 or value != int(value):
        raise InvalidValue(f"must be a whole number from 0 up, not {at.shown}")
    return _counted(at, value)


def _counted(at: At, value: float) -> int:
    if value > MAX_COUNT:
        raise InvalidValue(f"must be at most {MAX_COUNT}, not {at.shown}")
    return int(value)


def at_least_0(at: At) -> float:
    """Read a number that is not negative."""
    value = _number(at)
    if value < 0:
        raise InvalidValue(f"must not be negative, and is {at.shown}")
    return value


def ratio(at: At) -> float:
    """Read a number from 0 to 1."""
    value = _number(at)
    if not 0 <= value <= 1:
        hint = f"write {value / 100:g} for {value:g} %" if 1 < value <= 100 else ""
        raise InvalidValue(f"must be from 0 to 1, and is {at.shown}", hint)
    return value


def share(at: At) -> float:
    """Read a share, as `20%` or as 0.2."""
    value = at.scalar()
    percent = isinstance(value, str) and value.strip().endswith("%")
    try:
        number = float(str(value).strip().removesuffix("%")) if percent else _number(at)
    except ValueError:
        raise InvalidValue(f"{at.shown} is not a percentage", "write one such as 20%") from None
    if percent:
        number /= 100
    if not 0 <= number <= 1:
        hint = f"write {number:g}%" if 1 < number <= 100 and not percent else "write one such as 20%"
        raise InvalidValue(f"must be from 0% to 100%, and is {at.shown}", hint)
    return number


def share_above_0(at: At) -> float:
    """Read a share that is not 0."""
    value = share(at)
    if not value:
        raise InvalidValue(f"must be above {at.shown}")
    return value


def percentile(at: At) -> float | None:
    """Read a percentile such as `p95` or `p99.9` as a number from 0 to 1; None if it is none."""
    value = at.scalar()
    match = _PERCENTILE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if match is None:
        return None
    percent = float(match[1])
    if not 0 < percent < 100:
        raise InvalidValue(f"{at.shown} is not a percentile", "write one from p1 to p99.9")
    return percent / 100


def percentage(at: At) -> float:
    """Read a number from 0 to 100."""
    value = _number(at)
    if not 0 <= value <= 100:
        raise InvalidValue(f"must be from 0 to 100, and is {at.shown}")
    return value


def period_s(at: At) -> float:
    """Read a renewal period, in seconds."""
    value = at.scalar()
    seconds = _span_s(value) if isinstance(value, str) else None
    if not seconds:
        raise InvalidValue(f"{at.shown} is not a period", _PERIODS)
    return _bounded_s(at, seconds)


def duration_s(at: At) -> float:
    """Read a duration above 0, in seconds."""
    seconds = duration_or_0_s(at)
    if not seconds:
        raise InvalidValue(f"must be longer than {at.shown}")
    return seconds


def duration_or_0_s(at: At) -> float:
    """Read a duration, in seconds."""
    value = at.scalar()
    seconds = _span_s(value) if isinstance(value, str) else None
    if seconds is None:
        try:
            seconds = at_least_0(at)
        except InvalidValue:
            raise InvalidValue(f"{at.shown} is not a duration", _DURATIONS) from None
    return _bounded_s(at, seconds)


def _bounded_s(at: At, seconds: float) -> float:
    if seconds > MAX_SECONDS:
        raise InvalidValue(f"must be at most 100 years, not {at.shown}")
    return seconds


def file_mode(at: At) -> int:
    """Read the mode of files in octal digits, as `chmod` takes them; their owner must read and write."""
    value = at.scalar()
    written = value if isinstance(value, str) else at.node.value
    match = _MODE.fullmatch(written.strip())
    mode = int(match[1], 8) if match else 0
    if mode & 0o600 != 0o600 or mode & ~0o666:
        raise InvalidValue(f"{at.shown} is not a file mode", 'write "0600", "0640" or "0644"')
    return mode


def url(at: At) -> str:
    """Read the address of an HTTP service."""
    value = text(at)
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        good = False
    if not good:
        raise InvalidValue(
            f"{_without_userinfo(at.shown)} is not an address",
            "write scheme and host, such as http://localhost:4318",
        )
    return value


def _without_userinfo(shown: str) -> str:
    """Return what is shown of an address without what stands before the host: a password may be in it."""
    before, at, host = shown.rpartition("@")
    return f"{before[:1]}{REDACTED}{at}{host}" if at else shown


def _is_ipv6(value: str) -> bool:
    try:
        return ipaddress.IPv6Address(value) is not None
    except ValueError:
        return False


def _number(at: At) -> float:
    value = at.scalar()
    try:
        number = None if isinstance(value, bool) or value is None else float(value)
    except (ValueError, OverflowError):
        number = None
    if number is None or not math.isfinite(number):
        raise InvalidValue(f"must be a number, not {at.shown}")
    return number


def _span_s(text: str) -> float | None:
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        return None
    word = match[2] if match[2] in _UNITS_S else match[2].removesuffix("s")
    unit_s = _UNITS_S.get(word)
    return None if unit_s is None else float(match[1] or 1) * unit_s
