"""CI looks for interpreters, and gives each its versions of the dependencies."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import wheels

SCRIPT = wheels.ROOT / ".ci" / "pythons.py"


@pytest.fixture(scope="module")
def pythons() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_each_minor_version_is_listed_found_or_not() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--list"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [f"CPython 3.{minor}" for minor in (11, 12, 13, 14)] == [line.split(":")[0] for line in lines]
    here = next(line for line in lines if line.startswith(f"CPython 3.{sys.version_info[1]}:"))
    assert f": 3.{sys.version_info[1]}." in here


def test_what_does_not_run_is_passed_over(pythons: dict[str, Any], tmp_path: Path) -> None:
    """As a shim of pyenv does whose version is not chosen."""
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert pythons["interpreter"](shim) is None
    assert sys.version_info[1] == pythons["interpreter"](Path(sys.executable)).minor


@pytest.mark.parametrize(
    ("minors", "resolutions"),
    [
        ([], []),
        ([13], ["oldest", "newest"]),
        ([11, 13], ["oldest", "newest"]),
        ([11, 12, 13, 14], ["oldest", "pinned", "pinned", "newest"]),
    ],
)
def test_the_oldest_python_has_the_oldest_versions_and_the_newest_the_newest(
    pythons: dict[str, Any], minors: list[int], resolutions: list[str]
) -> None:
    interpreters = {
        minor: pythons["Interpreter"](True, (3, minor, 0), Path(f"python3.{minor}")) for minor in minors
    }
    planned = pythons["plan"](interpreters)
    assert resolutions == [resolution for _, resolution in planned]
    assert set(minors) == {one.minor for one, _ in planned}
