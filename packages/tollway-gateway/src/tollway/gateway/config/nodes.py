"""A value where it stands in the file: its line, its key, and the problems found there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tollway.gateway.printable import without_passwords
from tollway.provider import Provider

from . import secrets, tags
from .problems import InvalidValue, Problem, did_you_mean

MAX_NODES = 20_000
"""Values of one file with its aliases written out: a few nested aliases can stand for billions."""

_SHOWN = 60

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")


class TooLargeError(Exception):
    """A file holds more values than any configuration does, its aliases written out."""


@dataclass(slots=True)
class Report:
    """What is known while one file is read."""

    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    visited: int = 0
    providers: dict[str, type[Provider]] = field(default_factory=dict)
    """Those that were imported so far, by name: it takes milliseconds to find one among all distributions."""

    def visit(self) -> None:
        """Count a value that is read. Raises TooLargeError when there are too many."""
        self.visited += 1
        if self.visited > MAX_NODES:
            raise TooLargeError


@dataclass(frozen=True, slots=True)
class At:
    """A YAML node with its key path; `inside` says whose it is where that is known: `endpoint 'chat'`."""

    node: yaml.Node
    key: str
    report: Report
    inside: str = ""

    @property
    def line(self) -> int:
        """Its line, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def is_null(self) -> bool:
        """Whether nothing stands here."""
        return tags.is_null(self.node)

    @property
    def is_scalar(self) -> bool:
        """Whether one plain value stands here."""
        return isinstance(self.node, yaml.ScalarNode)

    @property
    def is_list(self) -> bool:
        """Whether a list stands here."""
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def shown(self) -> str:
        """What the file says here, for messages: `$NAME` as it is, no secret, no URL's password."""
        if not isinstance(self.node, yaml.ScalarNode):
            return "a mapping" if isinstance(self.node, yaml.MappingNode) else "a list"
        if self._may_be_secret():
            return "its value"
        text = without_passwords(self.node.value)
        return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")

    def _may_be_secret(self) -> bool:
        """Say whether this is a header, a caller's key, or a provider's setting named like a secret."""
        setting = self.key.partition(".config.")[2]
        is_key = self.key.startswith("auth.") and self.key.endswith("key")
        return is_key or ".headers." in self.key or secrets.is_secret(setting, None)

    def problem(self, message: str, hint: str = "") -> None:
        """Note a problem here."""
        self.report.problems.append(Problem(self.line, self.key, message, hint, self.inside))

    def warn(self, message: str, hint: str = "") -> None:
        """Note what is odd here, and no reason not to start."""
        self.report.warnings.append(Problem(self.line, self.key, message, hint, self.inside))

    def entries(self) -> dict[str, tuple[yaml.Node, At]]:
        """Return a mapping's values by key, each with its key's node; problems with keys are noted.

        Raises InvalidValue when this is not a mapping.
        """
        if not isinstance(self.node, yaml.MappingNode):
            raise InvalidValue(f"must be a mapping of keys, not {self.shown}")
        tags.check(self.node, self.shown)
        found: dict[str, tuple[yaml.Node, At]] = {}
        for key, value, merged in _pairs(self.node, self.report):
            if not isinstance(key, yaml.ScalarNode) or not tags.is_plain(key):
                self._at(key, "").problem("a key must be plain text", "write it without a tag or brackets")
            elif key.value in found and not merged:
                first = found[key.value][0].start_mark.line + 1
                self._at(key, key.value).problem(f"given twice, first in line {first}", "remove one")
            elif key.value not in found:
                found[key.value] = key, self._at(value, key.value)
        return found

    def items(self) -> list[At]:
        """Return a list's values. Raises InvalidValue when this is not a list."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise InvalidValue(f"must be a list, not {self.shown}", "begin each entry with '- '")
        tags.check(self.node, self.shown)
        self.report.visit()
        return [
            At(node, f"{self.key}[{place}]", self.report, self.inside)
            for place, node in enumerate(self.node.value)
        ]

    def scalar(self) -> str | int | float | bool | None:
        """Return a plain value, `$NAME` resolved. Raises InvalidValue."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise InvalidValue(f"must be one value, not {self.shown}")
        self.report.visit()
        value = tags.value_of(self.node, self.shown)
        return self._resolved(value) if isinstance(value, str) else value

    def plain(self) -> Any:
        """Return what stands here with all that is in it; problems inside are noted and left out."""
        if isinstance(self.node, yaml.MappingNode):
            entries = self.entries()
            self.report.visit()
            read = {key: _or_missing(at, At.plain) for key, (_, at) in entries.items()}
            return {key: value for key, value in read.items() if value is not MISSING}
        if isinstance(self.node, yaml.SequenceNode):
            read_items = [_or_missing(at, At.plain) for at in self.items()]
            return [value for value in read_items if value is not MISSING]
        return self.scalar()

    def _at(self, node: yaml.Node, key: str) -> At:
        path = f"{self.key}.{key}" if self.key and key else self.key or key
        return At(node, path, self.report, self.inside)

    def _resolved(self, text: str) -> str:
        if not text.startswith("$"):
            return text
        if text.startswith("$$"):
            return text[1:]
        match = _VARIABLE.fullmatch(text)
        if match is None:
            raise InvalidValue(
                "begins with $ and names no environment variable",
                "write $NAME with letters, digits and _, or $$ for a real $",
            )
        name = match[1] or match[2]
        value = self.report.environ.get(name)
        if not value:
            state = "is not set" if value is None else "is empty"
            raise InvalidValue(f"the environment variable {name} {state}", f"export {name}=…")
        return value


def _pairs(node: yaml.MappingNode, report: Report) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
    """Yield (key, value, whether it came by `<<`); a key of the mapping itself comes before merged ones."""
    report.visit()
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag == tags.MERGE:
            merged.extend(value.value if isinstance(value, yaml.SequenceNode) else [value])
        else:
            yield key, value, False
    for source in merged:
        if not isinstance(source, yaml.MappingNode) or not tags.is_plain(source):
            raise InvalidValue(
                "<< must name a mapping", "write <<: *name, where &name stands before a mapping"
            )
        for key, value, _ in _pairs(source, report):
            yield key, value, True


Read = tuple[At, dict[str, Any]]
"""What was read of an entry of a list, and where it stands."""


class Missing:
    """Stands for a value that could not be read; the problem is noted."""


MISSING = Missing()

Reader = Callable[[At], Any]
"""Reads one value. Raises InvalidValue, or notes problems of what is inside it and leaves that out."""


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section."""

    read: Reader
    required: bool = False
    takes_null: bool = False
    """Whether an empty value means something other than the default."""


def fields(
    at: At,
    table: Mapping[str, Field],
    *,
    is_whole_file: bool = False,
) -> dict[str, Any]:
    """Read a section: what is good is returned by key, what is not is noted, each where it stands.

    Unknown keys are problems; those that begin with `x-`, and those of the whole file, are only warned of.
    Raises InvalidValue when this is not a mapping.
    """
    entries = at.entries()
    for key, (node, value) in entries.items():
        if key not in table:
            place = At(node, value.key, at.report, at.inside)
            if is_whole_file or key.startswith("x-"):
                place.warn("unknown key, which is ignored", did_you_mean(key, table, ""))
            else:
                place.problem("unknown key", did_you_mean(key, table, f"known keys: {', '.join(table)}"))
    found: dict[str, Any] = {}
    for key, one in table.items():
        _, here = entries.get(key, (None, None))
        if here is not None and (one.takes_null or not here.is_null):
            if (read := _or_missing(here, one.read)) is not MISSING:
                found[key] = read
        elif one.required:
            state, hint = ("missing", f"add {key}") if here is None else ("empty", "")
            (here or at).problem(f"the key {key!r} is {state}", hint)
    return found


def each(at: At, read: Reader) -> list[Any]:
    """Read every item of a list; those that cannot be read are noted and left out. Raises InvalidValue."""
    found = [_or_missing(item, read) for item in at.items()]
    return [value for value in found if value is not MISSING]


def _or_missing(at: At, read: Reader) -> Any:
    try:
        return read(at)
    except InvalidValue as invalid:
        at.problem(invalid.message, invalid.hint)
        return MISSING


def renamed(found: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return what was read with other keys, such as those that name the unit."""
    return {names.get(key, key): value for key, value in found.items()}
