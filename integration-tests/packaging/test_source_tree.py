"""What the sources promise each other."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from support import wheels

# What each package must not import: gateway -> provider, gateway -> tracing, and no other arrow.
FORBIDDEN = {
    "tollway-tracing": {"provider", "providers", "gateway"},
    "tollway-providers": {"tracing", "gateway"},
    "tollway-gateway": {"providers"},  # built-in providers are found by entry point, as anyone's are
}
PYPROJECTS = [wheels.ROOT / "pyproject.toml", *sorted(wheels.ROOT.glob("packages/*/pyproject.toml"))]


def imported(path: Path) -> set[str]:
    """Return the parts of `tollway` that a source file imports, however it spells it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("tollway.")}


@pytest.mark.parametrize("package", wheels.PACKAGES)
def test_imports_follow_the_arrows(package: str) -> None:
    sources = (wheels.ROOT / "packages" / package / "src").rglob("*.py")
    wrong = {str(path): parts for path in sources if (parts := imported(path) & FORBIDDEN[package])}
    assert wrong == {}


def test_no_file_closes_a_namespace() -> None:
    sources = wheels.ROOT.glob("packages/*/src/tollway")
    closed = [
        path for folder in sources for path in (folder / "__init__.py", folder / "providers/__init__.py")
    ]
    assert [path for path in closed if path.exists()] == []


@pytest.mark.parametrize("name", ["setup.py", "MANIFEST.in"])
def test_what_compiles_is_the_same_in_each_distribution(name: str) -> None:
    """Each must build alone, so none can borrow it from another."""
    assert 1 == len({path.read_bytes() for path in wheels.ROOT.glob(f"packages/*/{name}")})


def test_the_check_of_the_interpreter_is_the_same_in_each_distribution() -> None:
    """None may import another's for it: the gateway's `--help` would wait, and providers have no other."""
    found = sorted(wheels.ROOT.glob("packages/*/src/tollway/*/_abi.py"))
    assert (3, 1) == (len(found), len({path.read_bytes() for path in found}))


@pytest.mark.parametrize("path", PYPROJECTS, ids=lambda path: path.parent.name)
def test_every_dependency_says_why_it_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = tomllib.loads(text)
    project = content.get("project", {})
    groups = [
        project.get("dependencies", []),
        *project.get("optional-dependencies", {}).values(),
        *content.get("dependency-groups", {}).values(),
    ]
    requirements = [one for group in groups for one in group if isinstance(one, str)]  # no included group
    silent = [name for name in requirements if not re.search(rf'"{re.escape(name)}",\s+# \S', text)]
    assert silent == []


def python_sources() -> list[Path]:
    folders = [
        wheels.ROOT / name for name in ("packages", "integration-tests", "benchmarks", "examples", ".ci")
    ]
    return [path for folder in folders for path in folder.rglob("*.py") if "build" not in path.parts]


def test_every_ignored_type_error_says_why() -> None:
    """A `type: ignore` names its error code and has a reason as a comment after it."""
    bare = re.compile(r"# type: ignore(?!\[[\w, -]+\]  # \S)")
    silent = [
        f"{path.relative_to(wheels.ROOT)}:{number}"
        for path in python_sources()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if bare.search(line)
    ]
    assert silent == []
