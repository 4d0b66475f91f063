"""Headers that a config adds to every request of an endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tollway.provider import Setting, SettingProblem

EXTRA_HEADERS = Setting(
    "extra_headers", "headers that go with every request, by name", type=dict, secret=True
)

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
"""A header's name (RFC 9110 section 5.1)."""

_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type", "accept-encoding"}
)
"""Headers that the gateway writes."""


def extra_headers(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers that a config adds, their names in lower case."""
    added = config.get(EXTRA_HEADERS.name) or {}
    return tuple((name.lower(), str(value)) for name, value in added.items())


def check_extra_headers(config: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Yield a problem for every name and value that no header can have (RFC 9110 section 5.5)."""
    added = config.get(EXTRA_HEADERS.name)
    for name, value in added.items() if isinstance(added, dict) else ():
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _OURS:
            message = f"{EXTRA_HEADERS.name} has a header that cannot be set: {name!r}"
            yield SettingProblem(EXTRA_HEADERS.name, message, "remove it, or correct its name")
        elif not isinstance(value, str | int) or not (str(value).isascii() and str(value).isprintable()):
            message = f"the value of {name} in {EXTRA_HEADERS.name} is not one line of plain characters"
            yield SettingProblem(EXTRA_HEADERS.name, message, "give it as text, or as $ENV")
