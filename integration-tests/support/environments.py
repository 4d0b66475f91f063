"""Python environments of other programs, each made once of pinned packages and kept outside of the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .notices import notice
from .once import locked

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "PHOENIX_TELEMETRY_ENABLED": "false"}
"""Programs under test tell nobody that they run."""


def environment(name: str, requirements: Path) -> Path:
    """Return the folder of an environment, made by the first who needs it; a half-made one is made again."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway-tests"
    cache.mkdir(parents=True, exist_ok=True)
    pins = requirements.read_bytes() + sys.version.encode()
    folder = cache / f"{name}-{hashlib.sha256(pins).hexdigest()[:16]}"
    complete = folder / "complete"
    with locked(cache / f"{folder.name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            notice(f"Installing {name}, once, into {folder}: a minute or two ...")
            _make(folder, requirements)
            complete.touch()
    return folder


def run(*command: str | os.PathLike[str]) -> None:
    """Run a command, which must succeed."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env={**os.environ, **QUIET}
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"


def _make(folder: Path, requirements: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    # Each package is pinned, so nothing has to be resolved.
    run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python"),
        *("install", "--quiet", "--only-binary", ":all:", "--no-deps", "-r", requirements),
    )
