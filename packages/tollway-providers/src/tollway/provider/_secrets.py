"""Keeping the keys of a target out of everything that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ._values import Setting

REDACTED = "[redacted]"

_SECRET_WORDS = re.compile(r"key|secret|token|password|credential", re.IGNORECASE)
# OpenAI repeats a refused key with its middle starred out: its two ends are still nobody's business.
# Each word is looked at once, from its beginning: linear in the length of the text.
_STARRED = re.compile(r"(?<![\w-])[\w-]*+\*{3,}[\w-]*")
_SHORT = 8
"""A secret of fewer characters is only taken for one where it stands as a word of its own."""


def redactor_of(settings: Iterable[Setting] | None, config: Mapping[str, Any]) -> Redactor:
    """Return what hides the secrets of a config: the settings declared secret, or those named like one."""
    if settings is None:
        secret = {name for name in config if _SECRET_WORDS.search(name)}
    else:
        secret = {setting.name for setting in settings if setting.secret}
    return Redactor(value for name in sorted(secret) for value in _strings(config.get(name)))


class Redactor:
    """Replaces known secrets in text."""

    __slots__ = ("_pattern",)

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted({s for s in secrets if s}, key=len, reverse=True)
        patterns = [
            re.escape(s) if len(s) >= _SHORT else rf"(?<!\w){re.escape(s)}(?!\w)" for s in longest_first
        ]
        self._pattern = re.compile("|".join(patterns) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Return `text` without the secrets."""
        return _STARRED.sub(REDACTED, self._pattern.sub(REDACTED, text))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
