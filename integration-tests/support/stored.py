"""Trace files as anyone reads them: by their documented path and OTLP's JSON, without any code of ours."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITTEN_S = 20.0
"""How long a gateway may take to write a trace after its answer."""

SERVER, CLIENT = 2, 3
"""OTLP's numbers for the kinds of spans."""

ERROR = 2
"""OTLP's number for the status of a failed span."""


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """One trace file: its spans as OTLP has them, and the summary of its first line."""

    text: str
    spans: list[dict[str, Any]]
    summary: dict[str, Any]

    def of_kind(self, kind: int) -> dict[str, Any]:
        """Return the one span of a kind."""
        (span,) = (span for span in self.spans if span["kind"] == kind)
        return span


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    """Return a span's attributes; numbers as OTLP writes them."""
    return {one["key"]: next(iter(one["value"].values()), None) for one in span.get("attributes", ())}


def wait_for(folder: Path, trace_id: str) -> StoredTrace:
    """Return a trace once its file is there: a gateway writes it after the answer."""
    deadline = time.monotonic() + WRITTEN_S
    while time.monotonic() < deadline:
        for path in folder.glob(f"*/{trace_id}.json"):
            return read(path)
        time.sleep(0.02)
    raise AssertionError(f"no trace {trace_id} among {sorted(folder.rglob('*.json'))}")


def read(path: Path) -> StoredTrace:
    """Read one file."""
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    spans = [
        span
        for line in lines
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return StoredTrace(text, spans, lines[0]["summary"])
