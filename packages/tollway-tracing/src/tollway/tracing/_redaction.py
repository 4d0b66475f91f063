"""URLs without the secrets in them, by OpenTelemetry's conventions.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus, urlsplit

REDACTED = "REDACTED"

_find_userinfo = re.compile(r"(?<=://)[^/?#\s]*@")

_names_a_secret = re.compile(
    r"key|token|secret|pass(word|wd)?|pwd|sig(nature)?|credential|auth", re.IGNORECASE
).search
"""Wider than the conventions' list (`AWSAccessKeyId`, `Signature`, `sig`, `X-Goog-Signature`)."""


def redacted_url(url: str) -> str:
    """Return a URL as logs and messages may show it: without user and password, and without its query.

    Where that leaves no URL that can be read, as with a `/` in a password, all before the last `@` goes.
    """
    hidden = _find_userinfo.sub(f"{REDACTED}:{REDACTED}@", url)
    first, last = hidden.find("://") + 3, hidden.rfind("@")
    if 3 <= first <= last:
        try:
            _ = urlsplit(hidden).port
        except ValueError:
            hidden = f"{hidden[:first]}{REDACTED}:{REDACTED}{hidden[last:]}"
    base, question, _ = hidden.partition("?")
    return f"{base}?{REDACTED}" if question else base


def redacted_query(query: str) -> str:
    """Return a query string in which the values of parameters that are named like secrets are not shown."""
    return "&".join(map(_redacted_parameter, query.split("&")))


def _redacted_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return f"{name}={REDACTED}" if equals and _names_a_secret(unquote_plus(name)) else parameter
