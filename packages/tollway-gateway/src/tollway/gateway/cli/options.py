"""Options that several commands of `tollway traces` have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from . import arguments

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    default=Path("traces"),
    show_default=True,
    help="The folder of the traces.",
)
jaeger_option = click.option(
    "--jaeger", metavar="URL", help="Read from a Jaeger 2, by the URL of its page, instead."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what chooses traces: a query as on the pages, and options; where both say, the query."""
    options = (
        click.argument("words", nargs=-1, metavar="[QUERY]..."),
        click.option("--status", type=click.Choice(["OK", "ERROR"], case_sensitive=False)),
        click.option(
            "--since", type=arguments.moment, metavar="WHEN", help="Started then or later: 1h ago, or a date."
        ),
        click.option("--until", type=arguments.moment, metavar="WHEN", help="Started then or earlier."),
        click.option("--name", help="The root span's name; * and ? are wildcards."),
        click.option(
            "--attribute",
            multiple=True,
            metavar="KEY=VALUE",
            help="One span has this attribute; may be repeated.",
        ),
        click.option("--session", help="The session, or conversation, it belongs to."),
        click.option("--user", help="The user it was for."),
    )
    for option in reversed(options):
        command = option(command)
    return command
