"""Python environments of other programs, each made once of pinned packages and kept outside of the tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .notices import notice
from .once import kept

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PHOENIX_TELEMETRY_ENABLED": "false"}
"""Programs under test tell nobody that they run."""


def environment(name: str, requirements: Path) -> Path:
    """Return the folder of an environment, made by the first process that needs it."""

    def make(folder: Path) -> None:
        notice(f"Installing {name}, once, into {folder}: a minute or two ...")
        _make(folder, requirements)

    return kept(name, requirements.read_bytes(), make)


def run(*command: str | os.PathLike[str], **variables: str) -> str:
    """Run a command, which must succeed, and return what it prints."""
    environ = {**os.environ, **QUIET, **variables}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environ)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done.stdout


def _make(folder: Path, requirements: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    # Each package is pinned, so nothing has to be resolved.
    run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python"),
        *("install", "--quiet", "--only-binary", ":all:", "--no-deps", "-r", requirements),
    )
