"""The tree of commands. What a command needs is imported when it runs: `--help` waits for no server."""

from __future__ import annotations

from typing import Annotated

import typer

from . import gateway, providers, traces, tracing

app = typer.Typer(
    name="tollway",
    help="One gateway in front of every model, one trace through every service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(gateway.app, name="gateway")
app.add_typer(providers.app, name="providers")
app.add_typer(traces.app, name="traces")
app.add_typer(tracing.app, name="tracing")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"tollway {version('tollway-gateway')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Handle what comes before the command."""


def main() -> None:
    """Run the command line."""
    app()
