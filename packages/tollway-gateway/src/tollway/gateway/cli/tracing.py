"""`tollway tracing`: what goes with the tracing library."""

from __future__ import annotations

import click

from .failing import BAD_INPUT, fail


@click.group(no_args_is_help=True)
def app() -> None:
    """Write what goes with tracing."""


@app.command("collector-config")
@click.option(
    "--sampling-rate",
    type=float,
    default=0.2,
    show_default=True,
    help="The ratio of traces that the collector keeps, 0 to 1.",
)
@click.option(
    "--slow-threshold-ms",
    type=float,
    default=1000,
    show_default=True,
    help="Keep every trace slower than this; 0 keeps none for being slow.",
)
@click.option(
    "--decision-wait-s",
    type=int,
    default=10,
    show_default=True,
    help="How long a trace is waited for, from its first span.",
)
def collector_config(sampling_rate: float, slow_threshold_ms: float, decision_wait_s: int) -> None:
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
    click.echo(text, nl=False)
