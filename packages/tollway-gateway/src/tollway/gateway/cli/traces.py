"""`tollway traces`: list, show and sum up stored traces, and keep their store in order."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import arguments
from .failing import BAD_INPUT, FAILED, fail
from .reading import answering, found, reader_of, store_of

if TYPE_CHECKING:
    from tollway.tracing.analysis import ErrorGroup, Stats
    from tollway.tracing.store import Trace

app = typer.Typer(help="Read stored traces, and keep their store in order.", no_args_is_help=True)


class Status(StrEnum):
    """What `--status` takes, in any case."""

    OK = "OK"
    ERROR = "ERROR"
    UNSET = "UNSET"


class Order(StrEnum):
    """What `--order-by` takes."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SLOWEST = "slowest"
    FASTEST = "fastest"


StorePath = Annotated[Path, typer.Option("--store", help="The folder of the traces.")]
JaegerURL = Annotated[
    str | None,
    typer.Option("--jaeger", metavar="URL", help="Read from a Jaeger 2, by the URL of its page, instead."),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StatusFilter = Annotated[Status | None, typer.Option("--status", case_sensitive=False, show_default=False)]
MinDuration = Annotated[
    float | None,
    typer.Option(parser=arguments.duration_ms, metavar="TIME", help="At least so long: 300ms, 2s."),
]
MaxDuration = Annotated[
    float | None,
    typer.Option(parser=arguments.duration_ms, metavar="TIME", help="At most so long."),
]
Since = Annotated[
    datetime | None,
    typer.Option(parser=arguments.moment, metavar="WHEN", help="Started then or later: 1h ago, or a date."),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=arguments.moment, metavar="WHEN", help="Started then or earlier."),
]
Name = Annotated[str | None, typer.Option(help="The root span's name; * and ? are wildcards.")]
Attribute = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="One span has this attribute; may be repeated."),
]
Session = Annotated[str | None, typer.Option(help="The session, or conversation, it belongs to.")]
User = Annotated[str | None, typer.Option(help="The user it was for.")]
TextFilter = Annotated[
    str | None, typer.Option("--text", help="Part of a name, attribute, event or message.")
]


@app.command("list")
def list_traces(  # noqa: PLR0913, PLR0917 - an option each
    store: StorePath = Path("traces"),
    jaeger: JaegerURL = None,
    status: StatusFilter = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    since: Since = None,
    until: Until = None,
    name: Name = None,
    attribute: Attribute = None,
    session: Session = None,
    user: User = None,
    text: TextFilter = None,
    order_by: Annotated[Order, typer.Option("--order-by")] = Order.NEWEST,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJSON = False,
) -> None:
    """List traces, the newest first."""
    traces = _search(
        store,
        jaeger,
        status=status,
        min_duration_ms=min_duration,
        max_duration_ms=max_duration,
        since=since,
        until=until,
        name=name,
        attribute=_pairs(attribute),
        session=session,
        user=user,
        text=text,
        order_by=order_by.value,
        limit=limit,
    )
    from . import objects, output

    if as_json:
        output.print_json([objects.summary(trace) for trace in traces])
    elif not traces:
        _say_none(store, jaeger)
    else:
        shown = _ID_BEGINNING if output.is_narrow() else 32
        columns = ("trace id", "started", "duration", "status", "spans", "kept", "name")
        output.print_table(
            columns, (_row(trace, shown) for trace in traces), right=("duration", "spans"), folds=("name",)
        )


@app.command()
def show(
    trace_id: Annotated[str, typer.Argument(help="The trace's id, or the beginning of it.")],
    store: StorePath = Path("traces"),
    jaeger: JaegerURL = None,
    attributes: Annotated[
        bool, typer.Option("--attributes", "-a", help="Print inputs, outputs and attributes too.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Print one trace as a tree of its spans."""
    trace = found(reader_of(store, jaeger), trace_id)
    from . import objects, output

    if as_json:
        output.print_json(objects.whole(trace))
        return
    from .tree import tree

    output.print_lines(tree(trace, attributes=attributes))


@app.command()
def stats(  # noqa: PLR0913, PLR0917 - an option each
    store: StorePath = Path("traces"),
    jaeger: JaegerURL = None,
    status: StatusFilter = None,
    since: Since = None,
    until: Until = None,
    name: Name = None,
    attribute: Attribute = None,
    session: Session = None,
    user: User = None,
    limit: Annotated[int, typer.Option(min=1, help="Of at most so many traces, the newest.")] = 1000,
    as_json: AsJSON = False,
) -> None:
    """Sum up traces: throughput, durations by span name, errors by their kind."""
    from tollway.tracing import analysis

    traces = _search(
        store,
        jaeger,
        status=status,
        since=since,
        until=until,
        name=name,
        attribute=_pairs(attribute),
        session=session,
        user=user,
        limit=limit,
    )
    _read_spans(traces)
    summed, errors = analysis.stats(traces, since=since, until=until), analysis.errors(traces)
    if as_json:
        _print_stats_json(summed, errors)
    elif not traces:
        _say_none(store, jaeger)
    else:
        _print_stats(summed, errors, limited=len(traces) == limit)


@app.command()
def reindex(store: StorePath = Path("traces")) -> None:
    """Rebuild the indexes from the trace files. Stop the writers first."""
    from tollway.tracing import store as stores

    from .output import bar

    with bar("days") as progress:
        total = stores.reindex(store_of(store), progress=progress)
    typer.echo(f"{total} traces indexed.")


@app.command()
def verify(store: StorePath = Path("traces"), as_json: AsJSON = False) -> None:
    """Compare trace files and indexes; 1 if they do not agree. Changes nothing."""
    from dataclasses import asdict

    from tollway.tracing import store as stores

    from .output import bar, print_json

    with bar("days") as progress:
        result = stores.verify(store_of(store), progress=progress)
    if as_json:
        print_json({**asdict(result), "ok": result.ok})
    else:
        typer.echo(f"{result.traces} traces, {result.torn_lines} torn lines.")
        if result.unindexed:
            typer.echo(f"{len(result.unindexed)} are not in the indexes: run tollway traces reindex.")
        if result.missing:
            typer.echo(f"{len(result.missing)} are in the indexes only: run tollway traces reindex.")
    if not result.ok:
        raise typer.Exit(FAILED)


@app.command()
def prune(
    store: StorePath = Path("traces"),
    older_than: Annotated[
        float | None,
        typer.Option(parser=arguments.age_s, metavar="AGE", help="Days that ended longer ago: 7d, 4w."),
    ] = None,
    max_size: Annotated[
        int | None,
        typer.Option(
            parser=arguments.size_bytes, metavar="SIZE", help="The oldest days beyond this size: 2GB."
        ),
    ] = None,
) -> None:
    """Remove old traces, whole days at a time; today's stay."""
    if older_than is None and max_size is None:
        fail("say what to remove: --older-than 7d, --max-size 2GB, or both", BAD_INPUT)
    from tollway.tracing import store as stores

    removed = stores.prune(store_of(store), max_age_s=older_than, max_bytes=max_size)
    typer.echo(f"{removed.traces} traces removed, {removed.bytes} bytes.")


def _say_none(store: Path, jaeger: str | None) -> None:
    from tollway.gateway.printable import printable, without_passwords

    place = str(store) if jaeger is None else without_passwords(jaeger)
    typer.echo(f"No traces in {printable(place)} match.", err=True)


def _search(store: Path, jaeger: str | None, **filters: Any) -> list[Trace]:
    """Search, with a bar while files have to be opened."""
    reader = reader_of(store, jaeger)
    from .output import bar

    with answering(), bar("traces searched") as progress:
        return reader.search(**filters, progress=progress)


def _read_spans(traces: list[Trace]) -> None:
    from .output import bar

    with bar("traces read") as progress:
        for done, trace in enumerate(traces, 1):
            _ = trace.spans  # read from the file, and kept
            progress(done, len(traces))


def _pairs(attribute: list[str] | None) -> dict[str, str]:
    return dict(map(arguments.pair, attribute or ()))


_ID_BEGINNING = 12
"""Digits of an id that are enough for `show`, and for a narrow terminal."""


def _row(trace: Trace, shown: int) -> tuple[Any, ...]:
    from .output import STYLES, duration, safe

    return (
        trace.trace_id[:shown],
        trace.start_time.astimezone().isoformat(sep=" ", timespec="seconds")[:19],
        duration(trace.duration_ms),
        safe(trace.status, STYLES[trace.status]),
        str(trace.span_count),
        trace.kept_because or "",
        trace.root_name or "",
    )


def _print_stats_json(summed: Stats, errors: tuple[ErrorGroup, ...]) -> None:
    from dataclasses import asdict

    from .output import print_json

    grouped = [asdict(group) for group in errors]
    print_json({**asdict(summed), "traces_per_s": summed.traces_per_s, "error_groups": grouped})


def _print_stats(summed: Stats, errors: tuple[ErrorGroup, ...], *, limited: bool) -> None:
    from .output import duration, print_table

    newest = " (the newest; --limit takes more)" if limited else ""
    rate = f"; {summed.traces_per_s:.3g} a second over {duration(summed.window_s * 1000)}"
    traces = "1 trace" if summed.traces == 1 else f"{summed.traces} traces"
    typer.echo(f"{traces}{newest}, {summed.errors} with errors{rate if summed.window_s else ''}\n")
    columns = ("span", "count", "errors", "p50", "p95", "p99", "max")
    rows = [
        (
            one.name,
            *map(str, (one.count, one.errors)),
            *map(duration, (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms)),
        )
        for one in summed.by_name
    ]
    print_table(columns, rows, right=columns[1:], folds=("span",))
    if errors:
        typer.echo("")
        error_rows = [
            (group.type, group.span_name, str(group.count), group.message, group.trace_ids[0])
            for group in errors
        ]
        print_table(
            ("error", "span", "count", "message", "a trace"),
            error_rows,
            right=("count",),
            folds=("error", "span", "message"),
        )
