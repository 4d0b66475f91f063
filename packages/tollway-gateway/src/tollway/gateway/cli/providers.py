"""`tollway providers`: what a configuration may name."""

from __future__ import annotations

import click


@click.group(no_args_is_help=True)
def app() -> None:
    """The providers that a configuration may name."""


@app.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_providers(as_json: bool) -> None:
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
