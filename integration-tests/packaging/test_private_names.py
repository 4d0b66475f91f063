"""Private names of other packages stand in one module of each package of ours, where they are easily found.

A release of theirs may rename them without notice, which is why their versions are bounded from above.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from support import wheels

ADAPTERS = {
    "tollway-tracing": "tollway/tracing/_private",
    "tollway-gateway": "tollway/gateway/_private",
    "tollway-providers": "tollway/provider/_private",
}

DOCUMENTED = {"os._exit", "sys._getframe", "sys._is_gil_enabled"}
"""Names of the standard library that begin with an underscore, and are public all the same."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == "tollway"


def imported_privately(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of what is private in imports of foreign modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if not is_ours(name) and any(map(is_private, name.split("."))):
                yield node.lineno, name


def foreign_names(tree: ast.AST) -> dict[str, str]:
    """Return the names that imports bind to what is not ours, with what they stand for."""
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {(alias.asname or alias.name.partition(".")[0]): alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: stands_for for name, stands_for in bound.items() if not is_ours(stands_for)}


def reached_privately(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of private attributes of what is imported, however many attributes come before."""
    foreign = foreign_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            base: ast.expr = node.value
            while isinstance(base, ast.Attribute | ast.Call | ast.Subscript):
                base = base.func if isinstance(base, ast.Call) else base.value
            name = ast.unparse(node)
            if isinstance(base, ast.Name) and base.id in foreign and name not in DOCUMENTED:
                yield node.lineno, name


@cache
def privates_of(kind: type) -> frozenset[str]:
    """Return the private names of a foreign class: its methods, and the attributes that its own code uses."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError):  # it is written in C
        return frozenset(filter(is_private, vars(kind)))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return frozenset(filter(is_private, {*vars(kind), *attributes}))


def is_foreign(kind: type) -> bool:
    return not is_ours(kind.__module__)


def inherited_privately(tree: ast.Module, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and name where a class of ours uses, or redefines, a private name of a foreign base."""
    loaded = importlib.import_module(module)
    for node in tree.body:
        kind = getattr(loaded, node.name, None) if isinstance(node, ast.ClassDef) else None
        if not isinstance(kind, type):
            continue
        names = set().union(*map(privates_of, filter(is_foreign, kind.__mro__[1:])))
        for base in kind.__mro__[1:]:
            if not any(map(is_foreign, base.__mro__[:-1])):  # it is ours alone, and so are its names
                names -= vars(base).keys()
        for inner in ast.walk(node):
            name = getattr(inner, "attr", None) or getattr(inner, "name", None)
            if isinstance(inner, ast.Attribute | ast.FunctionDef) and name in names:
                yield inner.lineno, f"{node.name}: {name}"


def sources() -> list[Path]:
    return [
        path for name in wheels.PACKAGES for path in (wheels.ROOT / "packages" / name / "src").rglob("*.py")
    ]


def module_of(path: Path) -> str:
    relative = path.relative_to(next(parent for parent in path.parents if parent.name == "src"))
    return ".".join(relative.with_suffix("").parts).removesuffix(".__init__")


def is_adapter(path: Path) -> bool:
    return any(f"/{adapter}" in str(path) for adapter in ADAPTERS.values())


def test_private_names_of_others_stand_in_the_adapters_only():
    found = []
    for path in sources():
        if is_adapter(path) or path.name == "__main__.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        uses = [
            *imported_privately(tree),
            *reached_privately(tree),
            *inherited_privately(tree, module_of(path)),
        ]
        found += [f"{path.relative_to(wheels.ROOT)}:{line}: {name}" for line, name in uses]
    assert [] == sorted(set(found))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from opentelemetry.trace import _x", ["opentelemetry.trace._x"]),
        ("import opentelemetry._internal", ["opentelemetry._internal"]),
        ("import uvicorn\nuvicorn.server._state", ["uvicorn.server._state"]),
        ("from opentelemetry import trace as otel\notel.get()._x", ["otel.get()._x"]),
        ("import os, sys\nos._exit(1)\nsys.exit(1)", []),
        ("from tollway.tracing import _json\n_json._x", []),
        ("from . import _json\n_json._x\nself._x", []),
    ],
)
def test_a_private_name_is_seen(source: str, found: list[str]):
    """Or this file would prove nothing."""
    tree = ast.parse(source)
    assert found == [name for _, name in (*imported_privately(tree), *reached_privately(tree))]


def test_an_inherited_private_name_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = (
        "from threading import Timer\n"
        "class Mine(Timer):\n"
        "    def mine(self): return self._started, self._mine, self.name\n"
        "    def _bootstrap(self): pass\n"
    )
    (tmp_path / "mine_of_private_names.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    uses = inherited_privately(ast.parse(source), "mine_of_private_names")
    assert {"Mine: _started", "Mine: _bootstrap"} == {name for _, name in uses}
    del sys.modules["mine_of_private_names"]
