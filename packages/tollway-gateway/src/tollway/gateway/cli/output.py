"""What commands print: tables, trees and bars for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from tollway.gateway.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

STYLES = {"ERROR": "bold red", "OK": "green", "UNSET": ""}
"""How statuses look."""

_WIDE = 120
"""Columns for a table with whole trace ids."""

_PATIENCE_S = 0.3
"""A scan that takes longer shows a bar."""


def console() -> Console:
    """Return standard output; where it is no terminal nothing is cut to a width."""
    return Console() if sys.stdout.isatty() else Console(width=10_000, no_color=True)


def is_narrow() -> bool:
    """Say whether standard output is a terminal on which a whole trace id leaves no room for names."""
    return console().width < _WIDE


def safe(text: str, style: str = "") -> Text:
    """Return text of spans and plugins as it can be shown: it never steers the terminal, nor is it markup."""
    return Text(printable(text), style=style)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    folds: Sequence[str] = (),
) -> None:
    """Print a table; columns named in `right` hold numbers, those in `folds` give way where it is narrow."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column not in folds,
        )
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else safe(cell) for cell in row))
    print_lines(table)


def print_lines(what: RenderableType) -> None:
    """Print what rich lays out, without the spaces that it fills lines up with."""
    out = console()
    with out.capture() as captured:
        out.print(what)
    for line in captured.get().splitlines():
        print(line.rstrip())  # noqa: T201 - the command's output


def print_json(value: Any) -> None:
    """Print a value as indented JSON, in which no text steers a terminal."""
    data = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE, default=str)
    lines = map(_ascii_where_needed, data.decode().split("\n"))
    sys.stdout.buffer.write("\n".join(lines).encode())
    sys.stdout.buffer.flush()


def print_json_line(value: Any) -> None:
    """Print a value as JSON in one line, in which no text steers a terminal."""
    line = _ascii_where_needed(orjson.dumps(value, default=str).decode())
    sys.stdout.buffer.write(f"{line}\n".encode())
    sys.stdout.buffer.flush()


def _ascii_where_needed(line: str) -> str:
    """Return a line of JSON with whatever is not printable as JSON escapes it; orjson leaves most of that."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def duration(ms: float) -> str:
    """Return a duration as people read it."""
    for limit, unit_ms, unit in ((1, 0.001, "µs"), (1000, 1, "ms"), (60_000, 1000, "s")):
        if ms < limit:
            return f"{ms / unit_ms:.3g} {unit}" if ms < 999.5 * unit_ms else f"{ms / unit_ms:.0f} {unit}"
    return f"{ms / 60_000:.1f} min"


def usd(amount: float | None) -> str:
    """Return an amount of USD in plain decimals; nothing where it is not known."""
    return "" if amount is None else f"{amount:.12f}".rstrip("0").rstrip(".")


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how far a long scan is, if that is a terminal; gone once it is done.

    A scan that is over at once shows none.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    task = progress.add_task(label, total=None)
    begun_s = time.monotonic()

    def show(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        if not progress.live.is_started and time.monotonic() - begun_s > _PATIENCE_S:
            progress.start()

    try:
        yield show
    finally:
        progress.stop()
