"""Secrets of `model.config`: `$NAME`, a path of a file that holds one, or the secret itself. Never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tollway.provider import Setting

from .problems import InvalidValue

_NAMED_LIKE_ONE = re.compile(r"key|secret|token|password|credential", re.IGNORECASE)

_MAX_FILE_BYTES = 64 * 1024

_SHORT = 8
"""A secret of fewer characters is only taken for one where it stands as a word of its own."""


def is_secret(key: str, settings: Iterable[Setting] | None) -> bool:
    """Say whether a key holds a secret: as the provider declares, or by its name where it declares none."""
    if settings is None:
        return bool(_NAMED_LIKE_ONE.search(key))
    return any(setting.name == key and setting.secret for setting in settings)


def from_file(value: str) -> str:
    """Return what the file at `value` holds, without its last line end; `value` where there is none.

    Raises InvalidValue for a file that cannot be a secret.
    """
    if not _is_file(value):
        return value
    try:
        with open(value, "rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
        text = data.decode()
    except OSError as error:
        raise InvalidValue(f"the file of this secret cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidValue("the file of this secret is not UTF-8 text") from None
    if len(data) > _MAX_FILE_BYTES or not text.strip():
        state = "is empty" if not text.strip() else f"has more than {_MAX_FILE_BYTES} bytes"
        raise InvalidValue(f"the file of this secret {state}")
    return text.removesuffix("\n").removesuffix("\r")


def without(text: str, values: Mapping[str, Any], settings: Iterable[Setting] | None) -> str:
    """Return `text` without the secrets among the values of a `model.config`."""
    texts = sorted(secrets_in(values, settings), key=len, reverse=True)
    patterns = [re.escape(one) if len(one) >= _SHORT else rf"(?<!\w){re.escape(one)}(?!\w)" for one in texts]
    return re.sub("|".join(patterns), "[redacted]", text) if patterns else text


def secrets_in(values: Mapping[str, Any], settings: Iterable[Setting] | None) -> Iterator[str]:
    """Yield secrets, also those inside of mappings, which no provider declares one by one."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from secrets_in(value, None)
        elif isinstance(value, str) and value and is_secret(key, settings):
            yield value


def _is_file(value: str) -> bool:
    try:
        return os.path.isfile(value)
    except (OSError, ValueError):  # a key that no path can be
        return False
