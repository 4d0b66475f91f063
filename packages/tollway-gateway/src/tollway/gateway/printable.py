"""Text of others as a terminal may get it: keys of a file, names of spans, messages of services."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

REDACTED = "REDACTED"
"""What stands for a secret in a URL, as in OpenTelemetry's conventions.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/#url-full
"""

_find_userinfo = re.compile(r"(?<=://)[^/?#\s]*@")


def printable(text: str) -> str:
    """Return text in which whatever could steer a terminal, or turn its lines around, is an escape.

    Control characters (ANSI sequences begin with one), newlines, marks of direction and lone surrogates
    become `\\x1b`, `\\n`, `\\u202e`; what has a shape stays.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def without_passwords(text: str) -> str:
    """Return text in which URLs have no user and password any more.

    Where that leaves none that can be read, as with a `/` in a password, all before the last `@` goes.
    """
    hidden = _find_userinfo.sub(f"{REDACTED}:{REDACTED}@", text)
    first, last = hidden.find("://") + 3, hidden.rfind("@")
    if 3 <= first <= last:
        try:
            _ = urlsplit(hidden).port
        except ValueError:
            hidden = f"{hidden[:first]}{REDACTED}:{REDACTED}{hidden[last:]}"
    return hidden
