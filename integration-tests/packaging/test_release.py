"""What a release relies on: one version, a changelog, and wheels for every platform that is promised."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from support import wheels

VERSION = SimpleNamespace(**runpy.run_path(str(wheels.ROOT / ".ci" / "version.py")))
COMPILED = ("tollway-tracing", "tollway-gateway")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the files that hold the version."""
    for path in (*{path for path, _, _ in VERSION.places(wheels.ROOT)}, wheels.ROOT / "CHANGELOG.md"):
        copy = tmp_path / path.relative_to(wheels.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return tmp_path


def test_all_packages_have_one_version_and_need_each_other_at_it():
    assert 7 == len(VERSION.places(wheels.ROOT))
    assert wheels.VERSION == VERSION.current()


def test_the_version_is_set_everywhere_at_once(tree: Path):
    VERSION.write("1.2.3rc4", tree)
    assert {"1.2.3rc4"} == {version for _, _, version in VERSION.places(tree)}


def test_a_place_that_was_forgotten_is_named(tree: Path):
    project = tree / "packages/tollway-providers/pyproject.toml"
    project.write_text(project.read_text().replace(f'version = "{wheels.VERSION}"', 'version = "9.9.9"'))
    with pytest.raises(VERSION.VersionError, match=r"tollway-providers/pyproject.toml:\d+: 9\.9\.9"):
        VERSION.current(tree)


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3-rc1", "1.2.3 "])
def test_what_is_no_version_is_refused(tree: Path, version: str):
    with pytest.raises(VERSION.VersionError, match="invalid version"):
        VERSION.write(version, tree)


def test_a_release_needs_its_tag_and_its_day_in_the_changelog(tree: Path):
    changelog = tree / "CHANGELOG.md"
    VERSION.write("1.2.3", tree)
    with pytest.raises(VERSION.VersionError, match=r"the tag is v1\.2\.4, the version 1\.2\.3"):
        VERSION.check_release("v1.2.4", tree)
    for unready in ("## [Unreleased]\n\n### Added\n", "## [1.2.3] - unreleased\n\n### Added\n"):
        changelog.write_text(unready)
        with pytest.raises(VERSION.VersionError, match=r"CHANGELOG\.md needs"):
            VERSION.check_release("v1.2.3", tree)
    changelog.write_text("## [1.2.3] - 2026-12-01\n\n### Added\n\n* All.\n")
    VERSION.check_release("v1.2.3", tree)


@pytest.mark.parametrize("package", COMPILED)
@pytest.mark.parametrize(
    ("platform", "arch", "systems"),
    [
        ("linux", "x86_64", ["manylinux_x86_64", "musllinux_x86_64"]),
        ("linux", "aarch64", ["manylinux_aarch64", "musllinux_aarch64"]),
        ("macos", "x86_64", ["macosx_x86_64"]),
        ("macos", "arm64", ["macosx_arm64"]),
    ],
)
def test_wheels_are_built_for_every_supported_python(
    package: str, platform: str, arch: str, systems: list[str]
):
    """And for no free-threaded one."""
    said = wheels.run(
        *(sys.executable, "-m", "cibuildwheel", "--platform", platform, "--archs", arch),
        *("--print-build-identifiers", f"packages/{package}"),
        cwd=wheels.ROOT,
    )
    expected = {f"cp3{minor}-{system}" for minor in (11, 12, 13, 14) for system in systems}
    assert expected == set(said.split())


GITHUB = wheels.ROOT / ".github"
SCHEMAS = {
    "github-workflows": "workflows/*.yml",
    "dependabot": "dependabot.yml",
    "github-issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "github-issue-config": "ISSUE_TEMPLATE/config.yml",
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_github_understands_its_files(schema: str):
    """Workflows, issue forms and Dependabot's configuration follow their schemas."""
    paths = sorted(GITHUB.glob(SCHEMAS[schema]))
    assert paths
    wheels.run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)


def test_the_hooks_before_a_commit_are_what_pre_commit_understands():
    wheels.run(sys.executable, "-m", "pre_commit", "validate-config", wheels.ROOT / ".pre-commit-config.yaml")
