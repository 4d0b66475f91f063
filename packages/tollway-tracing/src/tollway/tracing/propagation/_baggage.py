"""The `baggage` header, read in linear time: https://www.w3.org/TR/baggage/#header-content.

OpenTelemetry's own reader splits the header by an expression that takes quadratic time on white space, and
logs what callers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_plus

MAX_CHARACTERS = 8192
"""Of all headers together; more is not read. https://www.w3.org/TR/baggage/#limits"""

MAX_MEMBERS = 180
"""Members that are read; those after them are left out. OpenTelemetry's limit, as the next one."""

MAX_MEMBER_CHARACTERS = 4096

_KEY = r"[!#-'*+\-.0-9A-Z^-z|~]+"
_VALUE = r"[!#-+\--:<-\[\]-~]*"
_is_key = re.compile(_KEY).fullmatch
_is_value = re.compile(_VALUE).fullmatch


def members(header: str) -> Iterator[tuple[str, str]]:
    """Yield the valid members of a header, decoded; properties (`;ttl=1`) are a part of the value."""
    if len(header) > MAX_CHARACTERS:
        return
    entries = [text for part in header.split(",") if (text := part.strip(" \t"))]
    for entry in entries[:MAX_MEMBERS]:
        key, equals, value = (part.strip(" \t") for part in entry.partition("="))
        if equals and len(entry) <= MAX_MEMBER_CHARACTERS and _is_key(key) and _is_whole_value(value):
            yield unquote_plus(key).strip(), unquote_plus(value).strip()  # as OpenTelemetry does


def _is_whole_value(text: str) -> bool:
    value, *properties = text.split(";")
    return _is_value(value.strip(" \t")) is not None and all(map(_is_property, properties))


def _is_property(text: str) -> bool:
    key, _, value = (part.strip(" \t") for part in text.partition("="))
    return _is_key(key) is not None and _is_value(value) is not None
