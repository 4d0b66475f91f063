"""A real `mlflow models serve` in its own environment, which is made once and kept outside of the tree."""

from __future__ import annotations

import os
from pathlib import Path

from support import environments
from support.processes import Process, free_port

_HERE = Path(__file__).parent
REQUIREMENTS = _HERE.parent / "mlflow-requirements.txt"
_MODEL = _HERE / "mlflow_model.py"
_SAVE = "import sys; from mlflow import pyfunc; pyfunc.save_model(path=sys.argv[1], python_model=sys.argv[2])"


def environment() -> Path:
    """Return the folder of its environment."""
    return environments.environment("mlflow", REQUIREMENTS)


def save(folder: Path) -> Path:
    """Save the model as MLflow does, and return its path."""
    environments.run(environment() / "bin" / "python", "-W", "ignore", "-c", _SAVE, folder, _MODEL)
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
        env={
            **os.environ,
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "MODEL_TASK": task,
            **environments.QUIET,
        },
    )
    process.wait_for("Application startup complete")
    return process, f"http://127.0.0.1:{port}"


if __name__ == "__main__":
    print(environment())
