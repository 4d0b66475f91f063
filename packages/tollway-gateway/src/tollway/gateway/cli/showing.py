"""`tollway traces ui`, `diff` and `report`: what the pages show, in a browser, a terminal and a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import jaeger_option, json_option, selecting, store_option
from .reading import answering, found, query_of, reader_of

if TYPE_CHECKING:
    from tollway.tracing.store import TraceReader


@click.command()
@store_option
@jaeger_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=4318, show_default=True, help="Of the pages and of OTLP."
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), help="Of OTLP by gRPC.  [default: 4317]")
@click.option("--no-grpc", is_flag=True, help="Take spans over HTTP alone.")
def ui(
    store: Path, jaeger: str | None, host: str, port: int, grpc_port: int | None, *, no_grpc: bool
) -> None:
    """Show traces in a browser at http://HOST:PORT/ui/, and store what is sent there by OTLP."""
    from tollway.gateway.guard.origin_check import OriginCheck, is_this_machine
    from tollway.gateway.otlp_in import PATH
    from tollway.gateway.pages.app import pages_app
    from tollway.gateway.pages.sources import StoreSource
    from tollway.tracing import RatioSlowSampler
    from tollway.tracing.store import FileStore

    from . import receiving

    if jaeger is None:
        store.mkdir(parents=True, exist_ok=True)
    reader = reader_of(store, jaeger)
    source, origins = StoreSource(reader, _name(reader, store)), OriginCheck(is_local=is_this_machine(host))
    pages = "The pages are at {address}/ui/."
    if jaeger is not None:
        receiving.run(pages_app(source, None, origins), host, port, pages, on_end=source.end)
        return
    grpc_port = receiving.chosen_grpc_port(grpc_port, wanted=not no_grpc)
    with receiving.receiving(FileStore(store), host, grpc_port, RatioSlowSampler()) as receiver:
        sent = f"Spans sent to {{address}}{PATH} go to {store}."
        app = pages_app(source, receiver, origins)
        receiving.run(app, host, port, pages, sent, on_end=source.end)


def _name(reader: TraceReader, store: Path) -> str:
    from tollway.tracing.store import FileStore

    return str(store) if isinstance(reader, FileStore) else repr(reader)


@click.command()
@click.argument("a")
@click.argument("b")
@store_option
@jaeger_option
@json_option
def diff(a: str, b: str, store: Path, jaeger: str | None, as_json: bool) -> None:
    """Compare two traces: spans matched by their paths, and what was said in them."""
    reader = reader_of(store, jaeger)
    left, right = found(reader, a), found(reader, b)
    from tollway.gateway.pages import compare

    from . import output

    pairs, text = compare.pairs_of(left, right), compare.text_diff(left, right)
    if as_json:
        output.print_json({"a": left.trace_id, "b": right.trace_id, "pairs": pairs, "text": text})
        return
    delta_ms = right.duration_ms - left.duration_ms
    click.echo(f"a {left.trace_id}  {output.duration(left.duration_ms)}")
    click.echo(f"b {right.trace_id}  {output.duration(right.duration_ms)}  {_signed(delta_ms)}\n")
    rows = [_pair_row(pair) for pair in pairs]
    output.print_table(("", "change", "difference", "span"), rows, right=("difference",), folds=("span",))
    if any(line["op"] != " " for line in text):
        click.echo("")
        for line in text:
            output.print_lines(output.safe(f"{line['op']} {line['line']}", _COLOURS[line["op"]]))


_SIGNS = {"added": "+", "gone": "-", "slower": "▲", "faster": "▼", "same": ""}

_COLOURS = {" ": "dim", "+": "green", "-": "red"}


def _pair_row(pair: dict[str, Any]) -> tuple[str, ...]:
    path, change = pair["path"], pair["change"]
    shown = "" if change == "same" else _signed(pair["delta_ms"])
    return _SIGNS[change], change, shown, f"{'  ' * (len(path) - 1)}{path[-1]}"


def _signed(ms: float) -> str:
    from .output import duration

    return f"{'+' if ms >= 0 else '-'}{duration(abs(ms))}"


@click.command()
@store_option
@jaeger_option
@selecting
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="At most so many.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("traces.html"),
    show_default=True,
    help="The file to write.",
)
def report(
    words: tuple[str, ...],
    store: Path,
    jaeger: str | None,
    output: Path,
    attribute: tuple[str, ...],
    *,
    limit: int,
    **filters: Any,
) -> None:
    """Write traces and their plots to one HTML file that needs no server: for CI's artefacts."""
    from tollway.gateway.pages.report import report_of

    from . import arguments
    from .output import bar

    query = query_of(words, attribute=dict(map(arguments.pair, attribute)), limit=limit, **filters)
    reader = reader_of(store, jaeger)
    with answering(), bar("traces searched") as progress:
        traces = reader.find(query, progress)
    output.write_bytes(report_of(traces, _name(reader, store)))
    click.echo(f"{len(traces)} traces in {output}.")
