"""What an import returns: our configuration as data and as YAML, with notes about all that was changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.:@+/-]")


class UnreadableConfigError(ValueError):
    """The file cannot be read, or holds nothing that can be imported."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A configuration of ours, and a note with its place for everything that was dropped or changed."""

    config: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, place: str, what: str) -> None:
        """Note what became of one place of the source."""
        self.notes.append(f"{place}: {what}")

    def dropped(self, place: str, keys: Mapping[str, Any], hint: str = "has no equivalent") -> None:
        """Note every key that has not been taken."""
        for key in keys:
            self.note(f"{place}.{key}" if place else key, f"dropped: {hint}")

    def yaml(self, source: str) -> str:
        """Return the file's text, with the notes as a comment at its beginning."""
        head = [
            f"Written by `tollway import {source}`. Check it: tollway gateway check --config-path FILE",
            *self.notes,
        ]
        comment = "".join(f"# {' '.join(line.split())}\n" for line in head)
        return comment + yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True, width=110)


def name_of(given: object) -> str:
    """Return a name that endpoints and routes may have, as near to the given one as possible."""
    return "-".join(filter(None, _NOT_IN_NAMES.split(str(given)))).strip("/-") or "model"


def literal(value: object) -> str:
    """Return a text that our reader takes as itself, even where it begins with a dollar."""
    text = str(value)
    return f"${text}" if text.startswith("$") else text


def per_million(price: object) -> int | float:
    """Return the price of a million tokens from that of one."""
    whole = Decimal(str(price)) * 1_000_000
    return int(whole) if whole == whole.to_integral_value() else float(whole)


def seconds(value: object) -> str:
    """Return a duration in our form from a number of seconds."""
    return f"{float(str(value)):g}s"
