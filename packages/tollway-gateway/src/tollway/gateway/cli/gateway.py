"""`tollway gateway`: serve a configuration, check one, or explain what it does."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tollway.gateway.printable import printable

from .failing import BAD_INPUT, fail

if TYPE_CHECKING:
    from tollway.gateway.config import GatewayConfig


@click.group(no_args_is_help=True)
def app() -> None:
    """Serve a configuration, or check one."""


_GC_ALLOCATIONS = 50_000
"""Objects after which Python looks for cycles during the start: what is imported stays, few cycles end."""

config_path_option = click.option(
    "--config-path",
    type=click.Path(path_type=Path),
    required=True,
    envvar=["MLFLOW_GATEWAY_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG"],
    show_envvar=True,
    help="The YAML file.",
)


@app.command()
@config_path_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="The port to listen on; 0 chooses a free one.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Processes that serve: one uses one core.",
)
@click.option(
    "--insecure-no-auth", is_flag=True, help="Listen beyond this machine, though callers have no keys."
)
@click.option("--access-log", is_flag=True, help="Write a line of JSON for every request.")
@click.option(
    "--reload", is_flag=True, help="Read the configuration again when its file changes, as SIGHUP does."
)
def start(
    *,
    config_path: Path,
    host: str,
    port: int,
    workers: int,
    insecure_no_auth: bool,
    access_log: bool,
    reload: bool,
) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered before it ends."""
    gc.set_threshold(_GC_ALLOCATIONS)
    config = _loaded(config_path)
    from tollway.gateway import server

    def objection(config: GatewayConfig) -> str | None:
        return None if insecure_no_auth else server.objection(config, host)

    source = server.ConfigSource(config_path, objection)
    against = source.objection(config)
    if against is not None:
        fail(against, BAD_INPUT)
    try:
        if reload:
            server.check_watching()
        scheme = "http" if config.server.tls is None else "https"
        listener = server.listen(host, port, scheme)
        admin = config.server.admin
        admin_listener = None if admin is None else server.listen(admin.host, admin.port, scheme)
        options = server.Options(access_log, source, watches=reload, admin=admin_listener)
        if workers == 1:
            server.serve(config, listener, click.echo, options)
            server.leave()
        else:
            server.serve_by_workers(config, listener, click.echo, workers=workers, options=options)
    except (server.AddressError, server.StartError, server.WatchError) as error:
        fail(str(error))


@app.command()
@config_path_option
def check(config_path: Path) -> None:
    """Report every problem of a configuration, its line and how to fix it; exit with 2 if there are any."""
    config = _loaded(config_path)
    counts = [(len(config.endpoints), "endpoint")]
    if config.routes:
        counts.append((len(config.routes), "route"))
    told = " and ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    click.echo(f"{printable(str(config_path))} is good: {told}.")
    if config.has_budgets:
        from .prices import unpriced

        for name in unpriced(config):
            click.echo(
                f"warning: the price of endpoint {name!r} is not known, so its answers are charged to no "
                "budget; add price",
                err=True,
            )


@app.command()
@config_path_option
@click.option("--endpoint", required=True, help="The name of an endpoint or a route.")
def explain(config_path: Path, endpoint: str) -> None:
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
        click.echo(printable(line))


def _loaded(path: Path) -> GatewayConfig:
    from tollway.gateway.config import ConfigError, load

    try:
        return load(path, warn=lambda warning: click.echo(f"warning: {warning}", err=True))
    except ConfigError as error:
        count = len(error.problems)
        fail(f"{error}\n{count} problem{'' if count == 1 else 's'} in {path}.", BAD_INPUT)
