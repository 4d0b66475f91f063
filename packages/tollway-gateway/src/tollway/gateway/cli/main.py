"""The tree of commands. What a command needs is imported when it runs: `--help` waits for no server."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click

GROUPS: Mapping[str, str] = {
    "gateway": "Serve a configuration, or check one.",
    "import": "Write a configuration from another gateway's.",
    "keys": "Keys that callers of a gateway send.",
    "providers": "The providers that a configuration may name.",
    "traces": "Read stored traces, and keep their store in order.",
    "tracing": "Write what goes with tracing.",
}
"""The groups of commands, each the `app` of the module with its name, and the help of each."""

MODULES: Mapping[str, str] = {"import": "importing"}
"""The modules of groups whose name is a word of Python."""


class Groups(click.Group):
    """Imports a group's module when one of its commands is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the groups."""
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the group of a name; None if there is none."""
        if cmd_name not in GROUPS:
            return None
        group: click.Group = import_module(f"{__package__}.{MODULES.get(cmd_name, cmd_name)}").app
        return group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the section about the groups, and import none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(GROUPS.items()))


def _version(ctx: click.Context, parameter: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        click.echo(f"tollway {version('tollway-gateway')}")
        ctx.exit()


def _completion(ctx: click.Context, parameter: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from click.shell_completion import get_completion_class

        complete = get_completion_class(shell)
        if complete is not None:
            click.echo(complete(ctx.command, {}, "tollway", "_TOLLWAY_COMPLETE").source())
        ctx.exit()


@click.group(cls=Groups, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Print the version."
)
@click.option(
    "--show-completion",
    type=click.Choice(["bash", "zsh", "fish"]),
    expose_value=False,
    is_eager=True,
    callback=_completion,
    help="Print the script that completes commands and options in a shell.",
)
def app() -> None:
    """One gateway in front of every model, one trace through every service."""


def main() -> None:
    """Run the command line."""
    app(prog_name="tollway")
