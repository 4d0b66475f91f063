"""From a file to YAML nodes that know their lines. Hostile files end in an error, not in a crash."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Any

import yaml

from .problems import ConfigError, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
"""Levels of nesting: libyaml's composer recurses on the C stack, which a deep file would overflow."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_HINTS = (
    ("cannot start any token", "YAML indents with spaces; text that begins with @, ` or % needs quotes"),
    ("mapping values are not allowed", "put text that holds a colon into quotes, and check the indentation"),
    ("another document", "keep one document: remove the line '---' and what follows it"),
    ("could not find expected ':'", "a key needs a colon after it"),
)


def compose(path: str) -> yaml.Node:
    """Return the root node of the one document in a file. Raises ConfigError."""
    text = _text(path)
    try:
        _refuse_depth(path, text)
        root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        hint = next((hint for sign, hint in _HINTS if sign in said), "")
        line = None if mark is None else int(mark.line) + 1
        if "maximum nesting depth" in said:  # libyaml 0.2.6 has a limit of its own, and reads ahead
            raise _too_deep(path, line) from None
        raise _failed(path, f"not valid YAML: {said}", hint, line) from None
    except yaml.YAMLError as error:
        raise _failed(path, f"not valid YAML: {' '.join(str(error).split())}") from None
    if root is None:
        raise _failed(path, "the file is empty", "it must define endpoints")
    _refuse_deep_aliases(path, root)
    return root


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _failed(path, "there is no such file", "check the path") from None
    except IsADirectoryError:
        raise _failed(path, "this is a folder", "give the file in it") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise _failed(path, f"cannot be read: {reason}") from None
    if len(data) > MAX_BYTES:
        raise _failed(path, f"larger than {MAX_BYTES} bytes", "is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _failed(path, "not UTF-8", "save the file as UTF-8", line) from None


def _refuse_depth(path: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else None
            raise _too_deep(path, line)


def _too_deep(path: str, line: int | None) -> ConfigError:
    return _failed(path, f"nested deeper than {MAX_DEPTH} levels", "is it the right file?", line)


def _refuse_deep_aliases(path: str, root: yaml.Node) -> None:
    """Refuse aliases that, written out, are nested too deep: what reads them recurses."""
    level = {id(root): root}
    for _ in range(MAX_DEPTH):
        level = {id(child): child for node in level.values() for child in _collections_in(node)}
        if not level:
            return
    (deepest, *_) = level.values()
    raise _failed(
        path,
        f"nested deeper than {MAX_DEPTH} levels, aliases written out",
        "remove the alias that is inside itself, or some of the aliases inside aliases",
        int(deepest.start_mark.line) + 1,
    )


def _collections_in(node: yaml.Node) -> Iterator[yaml.Node]:
    children = chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
    return (child for child in children if isinstance(child, yaml.CollectionNode))


def _failed(path: str, message: str, hint: str = "", line: int | None = None) -> ConfigError:
    return ConfigError(path, [Problem(line, "", message, hint)])
