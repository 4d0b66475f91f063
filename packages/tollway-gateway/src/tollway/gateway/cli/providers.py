"""`tollway providers`: what a configuration may name, and the start of a provider of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import click

from .failing import BAD_INPUT, fail

_NAME = re.compile(r"[a-z](?:[.-]?[a-z0-9])*", re.ASCII)

_TAKEN = frozenset({"gateway", "providers", "tracing", "workspace"})
"""Names whose package would be one of Tollway's own."""


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


@app.command()
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write; it must not exist.  [default: tollway-NAME]",
)
@click.option(
    "--base-url", help="Of a service that speaks OpenAI's dialect, which the provider calls over HTTP."
)
def new(name: str, directory: Path | None, base_url: str | None) -> None:
    """Write the package of a new provider: its module, an entry point and a contract test."""
    from tollway.provider import discovery

    from .plugin_template import files

    normal = discovery.normalise(name)
    if not _NAME.fullmatch(normal):
        fail(f"invalid name {name!r}: use letters, digits, '-' and '.', a letter first", BAD_INPUT)
    taken = discovery.installed().get(normal)
    if taken is not None:
        fail(f"{taken.distribution} has a provider {normal!r} already: choose another name", BAD_INPUT)
    if normal in _TAKEN:
        fail(f"the package tollway-{normal} is one of Tollway's own: choose another name", BAD_INPUT)
    if base_url is not None and not _is_address(base_url):
        fail(f"--base-url {base_url!r} is not an address: write https://host/v1", BAD_INPUT)
    written = files(normal, base_url)
    folder = directory or Path(f"tollway-{normal.replace('.', '-')}")
    try:
        folder.mkdir(parents=True)
        for path, text in written.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        fail(f"{folder} exists already: choose another --directory", BAD_INPUT)
    except OSError as error:
        fail(f"cannot write {folder}: {error.strerror}")
    click.echo("\n".join(str(folder / path) for path in written))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return good and url.isprintable() and not set(url) & set('"\\ ')
