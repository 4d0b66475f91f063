"""`tollway tracing` writes the collector's configuration."""

from __future__ import annotations

from click.testing import CliRunner

from tollway.gateway.cli.main import app
from tollway.tracing.collector import collector_config


def test_it_prints_the_configuration_of_the_policy():
    """What the library writes, and nothing beside it."""
    done = CliRunner().invoke(
        app, ["tracing", "collector-config", "--sampling-rate", "0.05", "--slow-threshold-ms", "250"]
    )
    assert 0 == done.exit_code
    assert collector_config(sampling_rate=0.05, slow_threshold_ms=250) == done.stdout


def test_a_policy_that_is_none_is_refused():
    """Exit code 2, and how to fix it."""
    done = CliRunner().invoke(app, ["tracing", "collector-config", "--sampling-rate", "20"])
    assert 2 == done.exit_code
    assert "between 0 and 1" in done.output
