"""The command line, and stores for it to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from tollway.gateway.cli.main import app
from tollway.tracing.store import FileStore

START_NS = 1_795_590_000_000_000_000
"""2026-11-25T07:00:00Z."""

MS = 1_000_000

Tollway = Callable[..., Result]


@pytest.fixture
def tollway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tollway:
    """Runs a command in an empty folder; what it says must never be a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def as_json(tollway: Tollway) -> Callable[..., Any]:
    """Runs a command with `--json`, and reads what it prints."""

    def run(*arguments: str) -> Any:
        result = tollway(*arguments, "--json")
        assert 0 == result.exit_code, result.output
        return json.loads(result.stdout)

    return run


class Writer:
    """Writes traces to `traces/` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = FileStore(folder / "traces")
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("tests")

    def write(
        self, name: str, ms: float, *, error: str | None = None, after_ms: float = 0, **attributes: Any
    ) -> str:
        """Write a request that called a model for half of its time; return its id."""
        start_ns = START_NS + round(after_ms * MS)
        end_ns = start_ns + round(ms * MS)
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        root = self._tracer.start_span(name, start_time=start_ns, kind=trace.SpanKind.SERVER)
        context = trace.set_span_in_context(root)
        child = self._tracer.start_span("chat gpt-4", context, start_time=start_ns, attributes=named)
        child.add_event("first token", {"index": 0}, timestamp=start_ns + MS)
        if error:
            for span in (child, root):
                span.set_status(Status(StatusCode.ERROR, error))
            child.set_attribute("error.type", "timeout")
        child.end(start_ns + round(ms * MS / 2))
        root.set_attribute("tollway.kept_because", "error" if error else "ratio")
        root.end(end_ns)
        spans: tuple[ReadableSpan, ...] = self._exporter.get_finished_spans()
        self._exporter.clear()
        self.store.write([spans])
        return f"{root.get_span_context().trace_id:032x}"


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """A store in the folder where commands run."""
    return Writer(tmp_path)
