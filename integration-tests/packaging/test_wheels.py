"""Each wheel is whole: it installs alone into an empty environment, and carries what it should."""

from __future__ import annotations

import shutil
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from support import wheels

MODULES = {
    "tollway-tracing": "tollway.tracing",
    "tollway-providers": "tollway.provider",
    "tollway-gateway": "tollway.gateway",
}
# Any of these in one distribution hides the same folder of every other one.
NAMESPACES = {"tollway/__init__.py", "tollway/providers/__init__.py"}


def wheel_of(name: str, wheelhouse: Path) -> zipfile.ZipFile:
    (path,) = wheelhouse.glob(f"{name.replace('-', '_')}-*.whl")
    return zipfile.ZipFile(path)


def pins() -> dict[str, str]:
    lines = [
        line for line in wheels.CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")
    ]
    return {name.lower().replace("_", "-"): version for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("name", wheels.PACKAGES)
def test_a_wheel_leaves_the_namespaces_open(name: str, wheelhouse: Path) -> None:
    with wheel_of(name, wheelhouse) as wheel:
        assert not NAMESPACES & set(wheel.namelist())


@pytest.mark.parametrize("name", wheels.PACKAGES)
def test_a_wheel_says_that_it_is_typed_and_under_which_licence(name: str, wheelhouse: Path) -> None:
    with wheel_of(name, wheelhouse) as wheel:
        files = wheel.namelist()
    assert f"{MODULES[name].replace('.', '/')}/py.typed" in files
    assert any(file.endswith(".dist-info/licenses/LICENSE") for file in files)


def test_the_gateways_wheel_has_the_pages(wheelhouse: Path) -> None:
    """All files of the front end, and nothing of what builds it; together with the modules under 1 MB."""
    static = Path(__file__).parents[2] / "packages/tollway-gateway/src/tollway/gateway/pages/static"
    with wheel_of("tollway-gateway", wheelhouse) as wheel:
        sizes = {one.filename: one.compress_size for one in wheel.infolist()}
    folder = "tollway/gateway/pages/static/"
    assert {one.name for one in static.iterdir()} == {
        name.removeprefix(folder) for name in sizes if name.startswith(folder)
    }
    assert not [name for name in sizes if "node_modules" in name or name.endswith((".ts", ".tsx"))]
    compiled = sum(size for name, size in sizes.items() if name.endswith((".so", ".c")))
    assert sum(sizes.values()) - compiled < 1_000_000


@pytest.mark.parametrize("name", wheels.PACKAGES)
def test_the_metadata_names_every_supported_python(name: str, wheelhouse: Path) -> None:
    with wheel_of(name, wheelhouse) as wheel:
        (path,) = [file for file in wheel.namelist() if file.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(wheel.read(path).decode())
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_payload().strip()  # its README is what a package index shows
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)} <= set(
        metadata.get_all("Classifier")
    )


@pytest.mark.parametrize("name", wheels.PACKAGES)
def test_a_wheel_installs_alone_into_an_empty_environment(
    name: str, wheelhouse: Path, tmp_path: Path
) -> None:
    environment = wheels.create(tmp_path / "venv", wheelhouse)
    environment.install(name)

    assert environment.evaluate(f"import {MODULES[name]} as module; print(module.__name__)") == MODULES[name]
    ours = {package for package in environment.installed() if package in wheels.PACKAGES}
    assert ours == (set(wheels.PACKAGES) if name == "tollway-gateway" else {name})
    unpinned = {
        package: version
        for package, version in environment.installed().items()
        if package not in wheels.PACKAGES and pins().get(package) != version
    }
    assert unpinned == {}


def test_the_gateway_brings_its_command(wheelhouse: Path, tmp_path: Path) -> None:
    environment = wheels.create(tmp_path / "venv", wheelhouse)
    environment.install("tollway-gateway")
    assert wheels.run(environment.tollway, "--version").strip() == f"tollway {wheels.VERSION}"


@pytest.mark.parametrize("name", ["tollway-tracing", "tollway-gateway"])
def test_without_a_compiler_a_wheel_is_built_all_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the Python, and nothing compiled."""
    monkeypatch.setenv("CC", "false")
    source = wheels.ROOT / "packages" / name
    copy = shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("build", "*.so"))
    wheelhouse = wheels.build([copy], tmp_path / "wheels")
    with wheel_of(name, wheelhouse) as wheel:
        files = wheel.namelist()
    sources = {file.relative_to(copy / "src").with_suffix(".py") for file in copy.glob("src/**/*.pxd")}
    assert {str(file) for file in sources if (copy / "src" / file).exists()} <= set(files)
    assert [] == [file for file in files if file.endswith(".so")]


@pytest.mark.parametrize("name", wheels.PACKAGES)
def test_told_to_compile_nothing_a_wheel_runs_anywhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip takes where there is no other; a compiled module that lies in the sources is not for it."""
    monkeypatch.setenv("TOLLWAY_NO_EXTENSIONS", "1")
    wheelhouse = wheels.build([wheels.ROOT / "packages" / name], tmp_path)
    (path,) = wheelhouse.iterdir()
    assert path.name.endswith("-py3-none-any.whl")
    with wheel_of(name, wheelhouse) as wheel:
        assert [] == [file for file in wheel.namelist() if file.endswith((".so", ".pyx", ".c"))]
