"""A real `mlflow models serve` in its own environment, which is made once and kept outside of the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.notices import notice
from support.once import locked
from support.processes import Process, free_port

_HERE = Path(__file__).parent
REQUIREMENTS = _HERE.parent / "mlflow-requirements.txt"
_MODEL = _HERE / "mlflow_model.py"
_SAVE = "import sys; from mlflow import pyfunc; pyfunc.save_model(path=sys.argv[1], python_model=sys.argv[2])"


def environment() -> Path:
    """Return the folder of the environment, made by the first who needs it; a half-made one is made again."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway-tests"
    cache.mkdir(parents=True, exist_ok=True)
    pins = REQUIREMENTS.read_bytes() + sys.version.encode()
    folder = cache / f"mlflow-{hashlib.sha256(pins).hexdigest()[:16]}"
    complete = folder / "complete"
    with locked(cache / f"{folder.name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            notice(f"Installing MLflow, once, into {folder}: a minute or two ...")
            _make(folder)
            complete.touch()
    return folder


def save(folder: Path) -> Path:
    """Save the model as MLflow does, and return its path."""
    _run(environment() / "bin" / "python", "-W", "ignore", "-c", _SAVE, folder, _MODEL)
    return folder


def serve(model: Path, task: str) -> tuple[Process, str]:
    """Serve a saved model; gives the process and its URL once it answers."""
    binaries = environment() / "bin"
    port = free_port()
    process = Process(
        [
            *(binaries / "python", "-m", "mlflow", "models", "serve", "--model-uri", model),
            *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=model.parent,
        # MLflow finds its own Uvicorn by the path.
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "MODEL_TASK": task, **_QUIET},
    )
    process.wait_for("Application startup complete")
    return process, f"http://127.0.0.1:{port}"


_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def _make(folder: Path) -> None:
    _run(sys.executable, "-m", "venv", "--without-pip", folder)
    # Each package is pinned, so nothing has to be resolved.
    _run(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python"),
        *("install", "--quiet", "--only-binary", ":all:", "--no-deps", "-r", REQUIREMENTS),
    )


def _run(*command: str | os.PathLike[str]) -> None:
    environment = {**os.environ, **_QUIET}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"


if __name__ == "__main__":
    print(environment())
