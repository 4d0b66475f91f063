"""What keeps three distributions, and everyone's plugins, importable side by side."""

import ast
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import tollway.provider

SOURCES = Path(tollway.provider.__file__).parents[1]
PACKAGES = SOURCES.parents[2]


@pytest.mark.parametrize(
    "folder", sorted(PACKAGES.glob("*/src/tollway")), ids=lambda path: path.parents[1].name
)
def test_the_namespace_has_no_init_file(folder: Path) -> None:
    """One file there would hide every other distribution."""
    assert not (folder / "__init__.py").exists()
    assert not (folder / "providers" / "__init__.py").exists()


def test_the_namespace_is_shared() -> None:
    assert 1 < len(set(packages_distributions().get("tollway", []))) or 1 < len(list(tollway.__path__))


def imported_by(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


@pytest.mark.parametrize("file", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.name)
def test_a_provider_imports_neither_tracing_nor_gateway(file: Path) -> None:
    forbidden = ("tollway.tracing", "tollway.gateway", "opentelemetry")

    assert [] == [name for name in imported_by(file) if name.startswith(forbidden)]


@pytest.mark.parametrize("file", sorted((SOURCES / "provider").rglob("*.py")), ids=lambda path: path.name)
def test_the_contract_imports_no_provider(file: Path) -> None:
    assert [] == [name for name in imported_by(file) if name.startswith("tollway.providers.")]
