"""`tollway keys`: keys that callers send."""

from __future__ import annotations

import click


@click.group(no_args_is_help=True)
def app() -> None:
    """Keys that callers of a gateway send."""


@app.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def new(as_json: bool) -> None:
    """Make a key, and print it with its digest: the key for the caller, the digest for the configuration."""
    from hashlib import sha256
    from secrets import token_urlsafe

    key = f"tk-{token_urlsafe(32)}"
    digest = f"sha256:{sha256(key.encode()).hexdigest()}"
    if as_json:
        from .output import print_json

        print_json({"key": key, "digest": digest})
        return
    click.echo(f"key:    {key}")
    click.echo(f"digest: {digest}")
