"""The check that the built-in providers share: is this the base URL of a service?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tollway.provider import SettingProblem


def check_base_url(setting: str, value: Any, example: str) -> Iterator[SettingProblem]:
    """Yield a problem when `value` is text, but no base URL; what is no text is reported elsewhere.

    The value is not repeated: a URL may hold a password.
    """
    if isinstance(value, str) and not _is_base_url(value):
        yield SettingProblem(
            setting, f"{setting} is not a base URL", f"give scheme, host and path, such as {example}"
        )


def _is_base_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        return False
    return good and "#" not in value
