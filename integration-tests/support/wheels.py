"""Wheels of the tree's packages, and empty environments to install them into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
PACKAGES = ("tollway-tracing", "tollway-providers", "tollway-gateway")
VERSION: str = tomllib.loads((ROOT / "packages/tollway-gateway/pyproject.toml").read_text())["project"][
    "version"
]


_FAST_BUILD = {"CFLAGS": "-O0"}
"""Tests of wheels need no fast code, and the compiler takes a quarter of the time without optimising."""


def run(*command: str | os.PathLike[str], cwd: Path | None = None, **environ: str) -> str:
    """Return what a command printed; a failure shows all that it said."""
    environment = {**os.environ, **environ}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{said}"
    return done.stdout


def build(sources: list[Path], into: Path) -> Path:
    """Build a wheel of each source folder; the builds are isolated and pinned."""
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", into),
        *("--build-constraint", CONSTRAINTS, *sources),
        **_FAST_BUILD,
    )
    return into


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment that started empty; `wheels` are the folders that our own wheels are in."""

    folder: Path
    wheels: tuple[Path, ...]

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def tollway(self) -> Path:
        """The command that the gateway's wheel brings."""
        return self.folder / "bin" / "tollway"

    def install(self, *requirements: str) -> None:
        """Install from our wheels and the index, pinned, without ever compiling."""
        links = [part for folder in self.wheels for part in ("--find-links", str(folder))]
        run(
            *self._pip,
            "install",
            "--quiet",
            "--no-compile",  # half of the time, for bytecode of which little runs
            "-c",
            CONSTRAINTS,
            "--only-binary",
            ":all:",
            *links,
            *requirements,
        )

    def uninstall(self, name: str) -> None:
        """Take a package out again."""
        run(*self._pip, "uninstall", "--quiet", "--yes", name)

    def installed(self) -> dict[str, str]:
        """Return the version of everything in it, by the name's normal form."""
        listed = json.loads(run(*self._pip, "list", "--format", "json"))
        return {entry["name"].lower().replace("_", "-"): entry["version"] for entry in listed}

    def evaluate(self, code: str) -> str:
        """Return what a piece of Python prints in it, away from the tree's own sources."""
        return run(self.python, "-I", "-c", code, cwd=self.folder).strip()

    @property
    def _pip(self) -> tuple[str, ...]:
        # The pip that runs the tests, so that an environment needs none of its own.
        return (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(self.python))


def create(folder: Path, *wheels: Path) -> Environment:
    """Make an environment with nothing in it, not even pip."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    return Environment(folder, wheels)
