"""How a command ends when it cannot do what it was asked."""

from __future__ import annotations

from typing import NoReturn

import click

from tollway.gateway.printable import printable

FAILED = 1
"""It could not be done."""

BAD_INPUT = 2
"""What was given is wrong: options, or a configuration."""


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say what is wrong on standard error, and end."""
    click.echo("\n".join(map(printable, message.split("\n"))), err=True)
    raise SystemExit(code)
