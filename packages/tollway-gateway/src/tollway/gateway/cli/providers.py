"""`tollway providers`: what a configuration may name."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="The providers that a configuration may name.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `list` a command of its own while it is the only one."""


@app.command("list")
def list_providers(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the installed providers, and the package that each came from. Imports none of them."""
    from tollway.provider import discovery

    rows = [
        {"name": one.name, "distribution": one.distribution, "version": one.version}
        for one in discovery.installed().values()
    ]
    if as_json:
        from .output import print_json

        print_json(rows)
        return
    from .output import print_table

    print_table(
        ("provider", "package", "version"),
        [(row["name"], row["distribution"], row["version"]) for row in rows],
    )
