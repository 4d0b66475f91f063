"""A real Phoenix in its own environment, and what its GraphQL API says of spans."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import environments
from .backends import wait_until_up
from .processes import Process, free_port

REQUIREMENTS = Path(__file__).parent.parent / "phoenix-requirements.txt"

START_S = 600.0
"""It imports for many seconds, and more on a busy machine."""

WAIT_S = 60.0

_QUERY = """{ projects { edges { node {
  sessions(first: 10) { edges { node { sessionId userId } } }
  spans(first: 100) { edges { node {
    name spanKind statusCode input { value } output { value } tokenCountPrompt tokenCountCompletion
  } } }
} } } }"""


def environment() -> Path:
    """Return the folder of its environment."""
    return environments.environment("phoenix", REQUIREMENTS)


@dataclass
class Phoenix:
    """One that runs, its traces in a folder."""

    process: Process
    url: str

    @classmethod
    def start(cls, folder: Path) -> Phoenix:
        """Start it on free ports."""
        binaries = environment() / "bin"
        port = free_port()
        process = Process(
            [binaries / "python", "-m", "phoenix.server.main", "serve"],
            cwd=folder,
            env={
                **os.environ,
                **environments.QUIET,
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(port),
                "PHOENIX_GRPC_PORT": str(free_port()),
                "PHOENIX_WORKING_DIR": str(folder),
            },
        )
        found = cls(process, f"http://127.0.0.1:{port}")
        process.wait_for("Application startup complete", START_S)
        wait_until_up(f"{found.url}/healthz", process)
        return found

    def wait_for(self, spans: int) -> dict[str, Any]:
        """Return the project that has so many spans, once it has them."""
        deadline = time.monotonic() + WAIT_S
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            found = [edge["node"] for edge in self._query()["projects"]["edges"]]
            for project in found:
                if len(project["spans"]["edges"]) >= spans:
                    return project
            time.sleep(0.2)
        raise AssertionError(f"Phoenix has not {spans} spans: {found}\n{self.process.output}")

    def _query(self) -> dict[str, Any]:
        body = json.dumps({"query": _QUERY}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            data: dict[str, Any] = json.load(answer)["data"]
        return data


if __name__ == "__main__":
    print(environment())
