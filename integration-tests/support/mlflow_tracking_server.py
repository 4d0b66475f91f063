"""A real `mlflow server` in its own environment, and what its API says of a trace."""

from __future__ import annotations

import os
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environments
from .backends import get_json
from .processes import Process, free_port

REQUIREMENTS = Path(__file__).parent.parent / "mlflow-server-requirements.txt"

START_S = 600.0
"""It imports for many seconds, and many times as long on a busy machine."""

WAIT_S = 60.0


def environment() -> Path:
    """Return the folder of its environment."""
    return environments.environment("mlflow-server", REQUIREMENTS)


@dataclass
class MLflow:
    """One that runs, its traces in a folder."""

    process: Process
    url: str

    @classmethod
    def start(cls, folder: Path) -> MLflow:
        """Start it on a free port."""
        binaries = environment() / "bin"
        port = free_port()
        process = Process(
            [
                *(binaries / "python", "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
                *("--workers", "1", "--backend-store-uri", "sqlite:///mlflow.db"),
                *("--default-artifact-root", folder / "artifacts"),
            ],
            cwd=folder,
            # It finds its own Uvicorn by the path.
            env={**os.environ, **environments.QUIET, "PATH": f"{binaries}:{os.environ['PATH']}"},
        )
        process.wait_for("Application startup complete", START_S)
        return cls(process, f"http://127.0.0.1:{port}")

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return a trace with its spans, once it is there."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                found = get_json(f"{self.url}/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}")
            except urllib.error.HTTPError:
                assert time.monotonic() < deadline, self.process.output
                time.sleep(0.2)
                continue
            trace: dict[str, Any] = found["trace"]
            return trace


if __name__ == "__main__":
    print(environment())
