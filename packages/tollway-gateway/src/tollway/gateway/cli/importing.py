"""`tollway import`: configurations of other gateways, written as ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tollway.gateway.printable import printable

from .failing import BAD_INPUT, FAILED, fail

if TYPE_CHECKING:
    from tollway.gateway.importing import Imported

_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_output = click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this new file instead of standard output.",
)


@click.group("import", no_args_is_help=True)
def app() -> None:
    """Write a configuration from another gateway's."""


@app.command()
@_file
@_output
def litellm(file: Path, output: Path | None) -> None:
    """Import the YAML of a LiteLLM proxy. Notes on standard error name everything dropped or changed."""
    from tollway.gateway.importing import from_litellm

    _write(file, output, "litellm", from_litellm)


@app.command()
@_file
@_output
def tensorzero(file: Path, output: Path | None) -> None:
    """Import the TOML of a TensorZero gateway. Notes on standard error name everything dropped or changed."""
    from tollway.gateway.importing import from_tensorzero

    _write(file, output, "tensorzero", from_tensorzero)


def _write(file: Path, output: Path | None, source: str, read: Callable[[str], Imported]) -> None:
    try:
        made = read(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        fail(f"cannot import {file}: {error}", BAD_INPUT)
    for note in made.notes:
        click.echo(f"note: {printable(note)}", err=True)
    text = made.yaml(source)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as new:
            new.write(text)
    except OSError as error:
        fail(f"cannot write {output}: {error.strerror}; name a file that does not exist yet", FAILED)
    click.echo(
        f"wrote {printable(str(output))}; check it: tollway gateway check --config-path {output}", err=True
    )
