"""`tollway tracing`: what goes with the tracing library."""

from __future__ import annotations

from typing import Annotated

import typer

from .failing import BAD_INPUT, fail

app = typer.Typer(name="tracing", help="Write what goes with tracing.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep the commands below a group, also while there is only one."""


@app.command("collector-config")
def collector_config(
    sampling_rate: Annotated[
        float, typer.Option(help="The ratio of traces that the collector keeps, 0 to 1.")
    ] = 0.2,
    slow_threshold_ms: Annotated[
        float, typer.Option(help="Keep every trace slower than this; 0 keeps none for being slow.")
    ] = 1000,
    decision_wait_s: Annotated[
        int, typer.Option(help="How long a trace is waited for, from its first span.")
    ] = 10,
) -> None:
    """Print an OpenTelemetry Collector's configuration that samples as this policy does."""
    from tollway.tracing.collector import collector_config

    try:
        text = collector_config(
            sampling_rate=sampling_rate,
            slow_threshold_ms=slow_threshold_ms or None,
            decision_wait_s=decision_wait_s,
        )
    except ValueError as error:
        fail(str(error), BAD_INPUT)
    typer.echo(text, nl=False)
