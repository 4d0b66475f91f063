"""`tollway gateway`: serve a configuration, check one, or explain what it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tollway.gateway.printable import printable

from .failing import BAD_INPUT, fail

if TYPE_CHECKING:
    from tollway.gateway.config import GatewayConfig

app = typer.Typer(help="Serve a configuration, or check one.", no_args_is_help=True)

ConfigPath = Annotated[Path, typer.Option("--config-path", help="The YAML file.", show_default=False)]


@app.command()
def start(
    config_path: ConfigPath,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 chooses a free one.")
    ] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Processes that serve: one uses one core.")
    ] = 1,
    insecure_no_auth: Annotated[
        bool,
        typer.Option("--insecure-no-auth", help="Listen beyond this machine, though nobody has to sign in."),
    ] = False,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Write a line of JSON for every request.")
    ] = False,
) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered before it ends."""
    config = _loaded(config_path)
    from tollway.gateway import server

    if not insecure_no_auth and not server.is_loopback(host):
        fail(
            f"--host {host} lets others than this machine in, and the gateway cannot ask them who they are "
            "yet: leave it out, or say --insecure-no-auth if something in front of it asks them",
            BAD_INPUT,
        )
    try:
        listener = server.listen(host, port)
        if workers == 1:
            server.serve(config, listener, typer.echo, access_log=access_log)
            server.leave()
        else:
            server.serve_by_workers(config, listener, typer.echo, workers=workers, access_log=access_log)
    except (server.AddressError, server.StartError) as error:
        fail(str(error))


@app.command()
def check(config_path: ConfigPath) -> None:
    """Say what is wrong with a configuration: every problem with its line and its mend; 2 if there is one."""
    config = _loaded(config_path)
    counts = [(len(config.endpoints), "endpoint")]
    if config.routes:
        counts.append((len(config.routes), "route"))
    told = " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    typer.echo(f"{printable(str(config_path))} is good: {told}.")


@app.command()
def explain(
    config_path: ConfigPath,
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="The name of an endpoint or a route.", show_default=False)
    ],
) -> None:
    """Print the candidates, limits, time-outs and policies that a request to an endpoint or a route meets."""
    from .explain import explain as lines_about

    config = _loaded(config_path)
    try:
        lines = list(lines_about(config, endpoint))
    except KeyError:
        names = [one.name for one in config.endpoints] + [one.name for one in config.routes]
        fail(
            f"there is no endpoint or route named {endpoint!r} in {config_path}; use one of: "
            f"{', '.join(names)}",
            BAD_INPUT,
        )
    for line in lines:
        typer.echo(printable(line))


def _loaded(path: Path) -> GatewayConfig:
    from tollway.gateway.config import ConfigError, load

    try:
        return load(path)
    except ConfigError as error:
        count = len(error.problems)
        fail(f"{error}\n{count} problem{'' if count == 1 else 's'} in {path}.", BAD_INPUT)
