"""`tollway traces tail`: a line for each trace as it is stored."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import click

from tollway.tracing.readers import Query, Trace
from tollway.tracing.store import FileStore, Follower

from . import objects
from .output import duration, print_json_line, safe

_EVERY_S = 0.2


def follow(store: FileStore, query: Query, *, as_json: bool, looks: int | None = None) -> None:
    """Print what comes, until Ctrl-C or so many looks."""
    follower = Follower(store)
    try:
        for _ in count() if looks is None else range(looks):
            for trace in follower.new(query):
                if as_json:
                    print_json_line(objects.summary(trace))
                else:
                    click.echo(_line(trace))
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        return


def _line(trace: Trace) -> str:
    started = trace.start_time.astimezone().isoformat(sep=" ", timespec="milliseconds")[:23]
    facts: tuple[Any, ...] = (
        started,
        trace.trace_id,
        duration(trace.duration_ms).rjust(8),
        trace.status.ljust(5),
        trace.root_name or "",
    )
    return "  ".join(str(safe(fact)) for fact in facts)
