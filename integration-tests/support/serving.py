"""The gateway as a process: its file, its output, its traces, and a client that talks to it."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import openai
import yaml

from support import stored
from support.processes import WAIT_S, Process, free_port

TOLLWAY: tuple[str | Path, ...] = (Path(sys.executable).parent / "tollway",)
"""The command under test."""

Config = str | Mapping[str, Any]
"""A configuration: the file's own text, or what it holds."""


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which nothing of the developer's own settings reaches the program."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **variables}


def write(config: Config, folder: Path) -> Path:
    """Write a configuration as `gateway-config.yaml`."""
    path = folder / "gateway-config.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(dict(config)))
    return path


class Samples:
    """The samples of one scrape, in Prometheus' text format."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels."""
        total = 0.0
        for line in self._lines:
            match = line.startswith(name) and re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                told = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if labels.items() <= told.items():
                    total += float(match[3])
        return total


class Gateway:
    """A running `tollway gateway start` in a folder of its own."""

    def __init__(
        self, config: Config, folder: Path, *, options: Sequence[str] = (), **variables: str
    ) -> None:
        self.folder = folder
        self.traces = folder / "traces"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        path = write(config, folder)
        self.process = Process(
            [*TOLLWAY, "gateway", "start", "--config-path", path, "--port", str(port), *options],
            cwd=folder,
            env=environment(**variables),
        )
        self.client = httpx.Client(base_url=self.url, timeout=WAIT_S, trust_env=False)

    def wait_until_ready(self) -> None:
        """Wait for the line that gives the address, and ask whether it serves."""
        self.process.wait_for(re.escape(self.url))
        assert 200 == self.client.get("/ready").status_code

    def openai(self) -> openai.OpenAI:
        """Return a client that knows nothing but the address, and that never asks twice."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key="the-callers-own", max_retries=0, http_client=self.client
        )

    def chat(self, endpoint: str, **more: Any) -> httpx.Response:
        """Ask an endpoint by its own path."""
        messages = [{"role": "user", "content": "Hello?"}]
        return self.client.post(f"/endpoints/{endpoint}/invocations", json={"messages": messages, **more})

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry these labels."""
        return self.metrics().total(name, **labels)

    def metrics(self) -> Samples:
        """Return all metrics as they are now."""
        return Samples(self.client.get("/metrics").text)

    def trace(self, trace_id: str) -> stored.StoredTrace:
        """Return a trace from its file, once it is there."""
        return stored.wait_for(self.traces, trace_id)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit code."""
        return self.process.stop(number)

    def close(self) -> None:
        """End it whatever happens."""
        self.client.close()
        self.process.close()


def endpoint(name: str, provider: str, model: str, task: str = "llm/v1/chat", **more: Any) -> dict[str, Any]:
    """Return one endpoint of a configuration; what is not a key of the endpoint is the provider's."""
    own = {key: more.pop(key) for key in ("limit", "timeout") if key in more}
    return {
        "name": name,
        "endpoint_type": task,
        "model": {"provider": provider, "name": model, "config": more},
        **own,
    }
