"""`tollway traces`: list, show and sum up stored traces, and keep their store in order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from . import arguments, showing
from .failing import BAD_INPUT, FAILED, fail
from .options import jaeger_option, json_option, selecting, store_option
from .reading import answering, found, query_of, reader_of, sealing, store_of

if TYPE_CHECKING:
    from datetime import datetime

    from tollway.tracing.readers.analysis import ErrorGroup, GroupStats, Stats
    from tollway.tracing.store import Trace


@click.group(no_args_is_help=True)
def app() -> None:
    """Read stored traces, and keep their store in order."""


@app.command("list")
@store_option
@jaeger_option
@selecting
@click.option(
    "--min-duration", type=arguments.duration_ms, metavar="TIME", help="At least so long: 300ms, 2s."
)
@click.option("--max-duration", type=arguments.duration_ms, metavar="TIME", help="At most so long.")
@click.option("--text", help="Part of a name, attribute, event or message.")
@click.option(
    "--order-by",
    type=click.Choice(["newest", "oldest", "slowest", "fastest"]),
    default="newest",
    show_default=True,
)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@json_option
def list_traces(
    words: tuple[str, ...],
    store: Path,
    jaeger: str | None,
    min_duration: float | None,
    max_duration: float | None,
    attribute: tuple[str, ...],
    *,
    limit: int,
    as_json: bool,
    **filters: Any,
) -> None:
    """List traces, the newest first.

    QUERY is what the pages take: tollway traces list status:error 'duration:>1s' refund
    """
    traces = _search(
        store,
        jaeger,
        words,
        min_duration_ms=min_duration,
        max_duration_ms=max_duration,
        attribute=_pairs(attribute),
        limit=limit,
        **filters,
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
@click.argument("trace_id")
@store_option
@jaeger_option
@click.option("--attributes", "-a", is_flag=True, help="Print inputs, outputs and attributes too.")
@json_option
def show(trace_id: str, store: Path, jaeger: str | None, attributes: bool, as_json: bool) -> None:
    """Print one trace, named by its id or the beginning of it, as a tree of its spans."""
    trace = found(reader_of(store, jaeger), trace_id)
    from . import objects, output

    if as_json:
        output.print_json(objects.whole(trace))
        return
    from .tree import tree

    output.print_lines(tree(trace, attributes=attributes))


@app.command()
@store_option
@jaeger_option
@selecting
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Of at most so many traces, the newest.",
)
@click.option("--by", type=click.Choice(["session", "endpoint", "model", "key"]), help="A row for each.")
@json_option
def stats(
    words: tuple[str, ...],
    store: Path,
    jaeger: str | None,
    attribute: tuple[str, ...],
    *,
    limit: int,
    by: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Sum up traces: throughput, durations by span name, errors by their kind."""
    from tollway.tracing.readers import analysis

    traces = _search(store, jaeger, words, attribute=_pairs(attribute), limit=limit, **filters)
    _read_spans(traces)
    if by is not None:
        _print_groups(analysis.stats_by(traces, by), by, as_json=as_json)
        return
    summed, errors = (
        analysis.stats(traces, since=filters["since"], until=filters["until"]),
        analysis.errors(traces),
    )
    if as_json:
        _print_stats_json(summed, errors)
    elif not traces:
        _say_none(store, jaeger)
    else:
        _print_stats(summed, errors, limited=len(traces) == limit)


@app.command()
@click.argument("query")
@store_option
@click.option(
    "--since",
    type=arguments.moment,
    metavar="WHEN",
    help="Traces that started then or later: 1h ago, or a date.",
)
@click.option("--until", type=arguments.moment, metavar="WHEN", help="Traces that started then or earlier.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--parquet", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a Parquet file."
)
def sql(
    query: str,
    store: Path,
    *,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
    as_csv: bool,
    parquet: Path | None,
) -> None:
    """Query traces, spans and events by SQL: "SELECT name, count(*) FROM spans GROUP BY name"."""
    if as_json + as_csv + (parquet is not None) > 1:
        fail("use one of --json, --csv and --parquet", BAD_INPUT)
    from .output import bar
    from .sql import run

    output = "json" if as_json else "csv" if as_csv else "table"
    with bar("spans read") as progress:
        run(store_of(store), query, (since, until), output=output, parquet=parquet, progress=progress)


@app.command()
@store_option
def reindex(store: Path) -> None:
    """Rebuild the indexes from the trace files. Stop the writers first."""
    from tollway.tracing import store as stores

    from .output import bar

    with bar("days") as progress:
        total = stores.reindex(store_of(store), progress=progress)
    click.echo(f"{total} traces indexed.")


@app.command()
@store_option
@json_option
def verify(store: Path, as_json: bool) -> None:
    """Compare trace files and indexes; 1 if they do not agree. Changes nothing."""
    from dataclasses import asdict

    from tollway.tracing import store as stores

    from .output import bar, print_json

    with bar("days") as progress:
        result = stores.verify(store_of(store), progress=progress)
    if as_json:
        print_json({**asdict(result), "ok": result.ok})
    else:
        click.echo(f"{result.traces} traces, {result.torn_lines} torn lines.")
        if result.unindexed:
            click.echo(f"{len(result.unindexed)} are not in the indexes: run tollway traces reindex.")
        if result.missing:
            click.echo(f"{len(result.missing)} are in the indexes only: run tollway traces reindex.")
        for name in result.damaged:
            click.echo(f"segment {name} is damaged: restore it from a backup.")
    if not result.ok:
        raise SystemExit(FAILED)


@app.command()
@store_option
@click.option("--older-than", type=arguments.age_s, metavar="AGE", help="Days that ended longer ago: 7d, 4w.")
@click.option(
    "--max-size", type=arguments.size_bytes, metavar="SIZE", help="The oldest days beyond this size: 2GB."
)
def prune(store: Path, older_than: float | None, max_size: int | None) -> None:
    """Remove old traces, whole days at a time; today's stay."""
    if older_than is None and max_size is None:
        fail("say what to remove: --older-than 7d, --max-size 2GB, or both", BAD_INPUT)
    from tollway.tracing import store as stores

    from .output import bar

    with bar("days") as progress:
        removed = stores.prune(store_of(store), max_age_s=older_than, max_bytes=max_size, progress=progress)
    click.echo(f"{removed.traces} traces removed, {removed.bytes} bytes.")


@app.command()
@click.argument("days", metavar="[DAY]...", nargs=-1)
@store_option
@click.option(
    "--older-than", type=arguments.age_s, metavar="AGE", help="Days that ended longer ago: 12h, 7d."
)
def seal(days: tuple[str, ...], store: Path, older_than: float | None) -> None:
    """Compress days that are over, all of them unless some are named; other commands read them as before."""
    if days and older_than is not None:
        fail("name days, or say --older-than 7d, not both", BAD_INPUT)
    from tollway.tracing import store as stores

    from .output import bar

    with sealing(), bar("traces") as progress:
        done = stores.seal(store_of(store), days or None, older_than_s=older_than or 0, progress=progress)
    rate = f", {done.bytes / done.spans:.0f} bytes a span" if done.spans else ""
    click.echo(f"{done.traces} traces sealed: {done.bytes_before} bytes became {done.bytes}{rate}.")


@app.command()
@click.argument("day")
@store_option
def unseal(day: str, store: Path) -> None:
    """Make a file of each trace of a sealed day again, byte for byte what it was."""
    from tollway.tracing import store as stores

    from .output import bar

    with sealing(), bar("traces") as progress:
        traces = stores.unseal(store_of(store), day, progress=progress)
    click.echo(f"{traces} traces unsealed.")


@app.command()
@store_option
@selecting
@click.option(
    "--min-duration", type=arguments.duration_ms, metavar="TIME", help="At least so long: 300ms, 2s."
)
@json_option
def tail(
    words: tuple[str, ...],
    store: Path,
    min_duration: float | None,
    attribute: tuple[str, ...],
    *,
    as_json: bool,
    **filters: Any,
) -> None:
    """Print traces as they are stored, by whichever process, until Ctrl-C."""
    from .tailing import follow

    query = query_of(words, min_duration_ms=min_duration, attribute=_pairs(attribute), **filters)
    follow(store_of(store), query, as_json=as_json)


@app.command()
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="Of OTLP.")
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Of OTLP by gRPC.  [default: 4317]")
@click.option("--no-grpc", is_flag=True, help="Take spans over HTTP alone.")
@click.option(
    "--layout",
    type=click.Choice(["files", "journal"]),
    default="files",
    show_default=True,
    help="A file a trace, or journals alone.",
)
@click.option("--sampling-rate", type=click.FloatRange(0, 1), default=1.0, show_default=True)
@click.option("--slow-threshold", type=arguments.duration_ms, metavar="TIME", help="Keep what takes longer.")
def receive(
    store: Path,
    host: str,
    port: int,
    grpc_port: int | None,
    sampling_rate: float,
    slow_threshold: float | None,
    *,
    layout: Literal["files", "journal"],
    no_grpc: bool,
) -> None:
    """Store what OpenTelemetry services send to http://HOST:PORT/v1/traces (protobuf or JSON), or by gRPC.

    gRPC needs an extra: pip install 'tollway-gateway[grpc]'.
    """
    from tollway.tracing import RatioSlowSampler
    from tollway.tracing.store import FileStore

    from .receiving import chosen_grpc_port, serve

    policy = RatioSlowSampler(sampling_rate, slow_threshold)
    grpc_port = chosen_grpc_port(grpc_port, wanted=not no_grpc)
    serve(FileStore(store, layout=layout), host, port, grpc_port, policy)


for command in (showing.ui, showing.diff, showing.report):
    app.add_command(command)


def _say_none(store: Path, jaeger: str | None) -> None:
    from tollway.gateway.printable import printable, without_passwords

    place = str(store) if jaeger is None else without_passwords(jaeger)
    click.echo(f"No traces in {printable(place)} match.", err=True)


def _search(store: Path, jaeger: str | None, words: tuple[str, ...], **filters: Any) -> list[Trace]:
    """Search, with a bar while files have to be opened."""
    query, reader = query_of(words, **filters), reader_of(store, jaeger)
    from .output import bar

    with answering(), bar("traces searched") as progress:
        return reader.find(query, progress)


def _read_spans(traces: list[Trace]) -> None:
    from .output import bar

    with bar("traces read") as progress:
        for done, trace in enumerate(traces, 1):
            _ = trace.spans  # read from the file, and kept
            progress(done, len(traces))


def _pairs(attribute: tuple[str, ...]) -> dict[str, str]:
    return dict(map(arguments.pair, attribute))


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


def _print_groups(groups: tuple[GroupStats, ...], by: str, *, as_json: bool) -> None:
    from dataclasses import asdict

    from .output import duration, print_json, print_table, usd

    if as_json:
        print_json([asdict(group) for group in groups])
        return
    if not groups:
        click.echo(f"No trace says its {by}.", err=True)
        return
    columns = (by, "count", "errors", "p50", "p95", "max", "tokens in", "tokens out", "USD")
    rows = [
        (
            one.name,
            *map(str, (one.count, one.errors)),
            *map(duration, (one.p50_ms, one.p95_ms, one.max_ms)),
            *("" if count is None else str(count) for count in (one.input_tokens, one.output_tokens)),
            usd(one.cost_usd),
        )
        for one in groups
    ]
    print_table(columns, rows, right=columns[1:], folds=(by,))


def _print_stats_json(summed: Stats, errors: tuple[ErrorGroup, ...]) -> None:
    from dataclasses import asdict

    from .output import print_json

    grouped = [asdict(group) for group in errors]
    print_json({**asdict(summed), "traces_per_s": summed.traces_per_s, "error_groups": grouped})


def _print_stats(summed: Stats, errors: tuple[ErrorGroup, ...], *, limited: bool) -> None:
    from .output import duration, print_table, usd

    newest = " (the newest; --limit takes more)" if limited else ""
    rate = f"; {summed.traces_per_s:.3g} a second over {duration(summed.window_s * 1000)}"
    traces = "1 trace" if summed.traces == 1 else f"{summed.traces} traces"
    cost = "" if summed.cost_usd is None else f"; {usd(summed.cost_usd)} USD"
    click.echo(f"{traces}{newest}, {summed.errors} with errors{rate if summed.window_s else ''}{cost}\n")
    columns: tuple[str, ...] = ("span", "count", "errors", "p50", "p95", "p99", "max")
    if summed.cost_usd is not None:
        columns += ("USD",)
    rows = [
        (
            one.name,
            *map(str, (one.count, one.errors)),
            *map(duration, (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms)),
            *(() if summed.cost_usd is None else (usd(one.cost_usd),)),
        )
        for one in summed.by_name
    ]
    print_table(columns, rows, right=columns[1:], folds=("span",))
    if errors:
        click.echo("")
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
