"""What compiled code works on is held by a local name while it does.

Cython borrows an attribute of an extension type: `self.engine.emit(span)` does not own the engine while it
emits, and where a callback sets `self.engine` anew, `emit` goes on with memory that was freed. A local name
owns what it names. (So does `+=` on an item.)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tollway

ATTRIBUTE = re.compile(r"^    cdef (?:public |readonly )?(\w+) (\w+)$", re.MULTILINE)
PLAIN = {"bint", "double", "int", "object", "Py_ssize_t"}
HARMLESS = {"append", "clear"}
"""Methods of a list that are done with it before other code runs."""

SOURCES = [
    types.with_suffix(".py")
    for root in map(Path, tollway.__path__)
    for types in root.rglob("*.pxd")
    if types.with_suffix(".py").exists() and not types.with_suffix(".pyx").exists()
]


def attributes_of(types: str) -> dict[str, str]:
    """Return the attributes that a `.pxd` declares, with their types."""
    return {name: kind for kind, name in ATTRIBUTE.findall(types)}


def borrowed(source: str, attributes: dict[str, str]) -> Iterator[str]:
    """Yield the uses of typed attributes that may run other code while they are borrowed."""

    def is_typed(node: ast.AST) -> bool:
        return isinstance(node, ast.Attribute) and attributes.get(node.attr, "object") not in PLAIN

    tree = ast.parse(source)
    owned = {node.target for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    for node in {*ast.walk(tree)} - owned:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if is_typed(owner):
                if method not in HARMLESS and method not in attributes:
                    yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self")), args=args) if any(
                map(is_typed, args)
            ):
                yield ast.unparse(node)
            case ast.Subscript(value=owner, ctx=ast.Store() | ast.Del()) if is_typed(owner):
                yield ast.unparse(node)
            case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[owner]) if is_typed(owner):
                yield ast.unparse(node)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_typed_attribute_is_used_without_a_local_name(source: Path) -> None:
    known = [attributes_of(path.with_suffix(".pxd").read_text()) for path in SOURCES]
    assert [] == [*borrowed(source.read_text(), {k: v for one in known for k, v in one.items()})]


@pytest.mark.parametrize(
    "line",
    [
        "self.engine.emit(span)",
        "local.engine.emit(span)",
        "self.make(parent.engine)",
        "self.engine[key] = 1",
        "del self.engine[key]",
        "found = key in self.engine",
    ],
)
def test_the_rule_sees(line: str) -> None:
    assert [*borrowed(line, {"engine": "Engine"})]
