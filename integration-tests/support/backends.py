"""A real Jaeger and real collectors as processes, and what Jaeger's query API says of a trace."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import go_binaries
from .processes import WAIT_S, Process, free_port

MANIFESTS = go_binaries.MANIFESTS


def get_json(url: str) -> Any:
    """Return the JSON at a URL."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def wait_until_up(url: str, process: Process) -> None:
    """Wait until a URL answers with 200."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert process.running(), process.output
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"{url} never answered:\n{process.output}")


@dataclass
class Jaeger:
    """Jaeger 2, its traces in memory."""

    process: Process
    query_url: str
    grpc_address: str

    @classmethod
    def start(cls) -> Jaeger:
        """Start it on free ports."""
        ports = {
            name: free_port()
            for name in ("HEALTH_PORT", "QUERY_PORT", "QUERY_GRPC_PORT", "GRPC_PORT", "HTTP_PORT")
        }
        environ = {f"JAEGER_{name}": str(port) for name, port in ports.items()}
        command = [go_binaries.jaeger(), "--config", MANIFESTS / "jaeger.yaml"]
        process = Process(command, env={**os.environ, **environ})
        found = cls(process, f"http://127.0.0.1:{ports['QUERY_PORT']}", f"127.0.0.1:{ports['GRPC_PORT']}")
        wait_until_up(f"{found.query_url}/api/services", process)
        return found

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Return a trace, or None."""
        try:
            found = get_json(f"{self.query_url}/api/traces/{trace_id}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        trace: dict[str, Any] = found["data"][0]
        return trace

    def wait_for(self, trace_id: str, spans: int) -> dict[str, Any]:
        """Return a trace once it has so many spans."""
        deadline = time.monotonic() + WAIT_S
        found: dict[str, Any] | None = None
        while time.monotonic() < deadline:
            found = self.trace(trace_id)
            if found is not None and len(found["spans"]) >= spans:
                return found
            time.sleep(0.1)
        raise AssertionError(f"trace {trace_id} is not whole in Jaeger: {found}")

    def trace_ids(self, service: str, operation: str | None = None) -> set[str]:
        """Return the ids of all traces of a service."""
        query = {"service": service, "limit": "50000", "lookback": "1h"}
        if operation is not None:
            query["operation"] = operation
        found = get_json(f"{self.query_url}/api/traces?{urllib.parse.urlencode(query)}")
        return {trace["traceID"] for trace in found["data"] or ()}

    def wait_for_ids(self, service: str, wanted: set[str], operation: str | None = None) -> set[str]:
        """Return the ids of a service's traces once all that are wanted are among them."""
        deadline = time.monotonic() + WAIT_S
        found: set[str] = set()
        while time.monotonic() < deadline:
            found = self.trace_ids(service, operation)
            if wanted <= found:
                return found
            time.sleep(0.3)
        missing = wanted - found
        raise AssertionError(f"{len(missing)} of {len(wanted)} traces are not in Jaeger, {len(found)} are")


@dataclass
class Collector:
    """An OpenTelemetry Collector with a configuration of the tree, its addresses by environment."""

    process: Process
    http_url: str
    grpc_url: str
    environ: dict[str, str]
    config: Path

    @classmethod
    def start(cls, config: Path, jaeger: Jaeger, **more: str) -> Collector:
        """Start it on free ports."""
        health, http, grpc, metrics = (free_port() for _ in range(4))
        environ = {
            "COLLECTOR_HEALTH_ADDRESS": f"127.0.0.1:{health}",
            "COLLECTOR_OTLP_HTTP_ADDRESS": f"127.0.0.1:{http}",
            "COLLECTOR_OTLP_GRPC_ADDRESS": f"127.0.0.1:{grpc}",
            "COLLECTOR_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
            "JAEGER_OTLP_GRPC_ADDRESS": jaeger.grpc_address,
            **more,
        }
        return cls._run(config, environ)

    @classmethod
    def _run(cls, config: Path, environ: dict[str, str]) -> Collector:
        command = [go_binaries.collector(), "--config", config]
        process = Process(command, env={**os.environ, **environ})
        wait_until_up(f"http://{environ['COLLECTOR_HEALTH_ADDRESS']}/", process)
        return cls(
            process,
            f"http://{environ['COLLECTOR_OTLP_HTTP_ADDRESS']}",
            f"http://{environ['COLLECTOR_OTLP_GRPC_ADDRESS']}",
            environ,
            config,
        )

    def again(self) -> Collector:
        """Start it once more, on the same ports."""
        return self._run(self.config, self.environ)

    @property
    def metrics_url(self) -> str:
        """Where Prometheus reads its span metrics."""
        return f"http://{self.environ['COLLECTOR_METRICS_ADDRESS']}/metrics"
