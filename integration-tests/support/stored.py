"""Trace files as anyone reads them: by their documented path and OTLP's JSON, without any code of ours."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tollway.tracing.store import FileStore

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
    """Return a trace once it is there, in whichever form: a gateway writes it after the answer."""
    deadline, store = time.monotonic() + WRITTEN_S, FileStore(folder)
    while time.monotonic() < deadline:
        lines = [line for day in store.layout.days() for line in store.lines_of_day(day, trace_id)]
        if lines:
            return parsed(b"\n".join(lines).decode())
        time.sleep(0.02)
    raise AssertionError(f"no trace {trace_id} among {sorted(folder.rglob('*.json*'))}")


def ids(folder: Path) -> set[str]:
    """Return the ids of all traces, in whichever form."""
    store = FileStore(folder)
    return {trace_id for day in store.layout.days() for trace_id in store.trace_ids(day)}


def wait_for_ids(folder: Path, before: set[str], count: int) -> set[str]:
    """Return the ids of traces that came since `before`, once there are so many."""
    deadline = time.monotonic() + WRITTEN_S
    while time.monotonic() < deadline:
        if len(found := ids(folder) - before) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"there are not {count} new traces in {folder}")


def texts(folder: Path) -> list[str]:
    """Return what is stored of each trace, in whichever form."""
    store = FileStore(folder)
    found = [(day, trace_id) for day in store.layout.days() for trace_id in store.trace_ids(day)]
    return [b"\n".join(store.lines_of_day(day, trace_id)).decode() for day, trace_id in found]


def read(path: Path) -> StoredTrace:
    """Read one file."""
    return parsed(path.read_text())


def parsed(text: str) -> StoredTrace:
    """Read the lines of one trace."""
    lines = [json.loads(line) for line in text.splitlines()]
    spans = [
        span
        for line in lines
        for resource in line["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    return StoredTrace(text, spans, lines[0]["summary"])
