"""The collector's configuration says the policy that it was written from."""

from pathlib import Path

import pytest

from tollway.tracing.collector import collector_config

ROOT = Path(__file__).parent.parent.parent.parent


def test_the_file_in_the_root_is_its_output():
    """`tollway tracing collector-config > collector-config.yaml` brings them in step."""
    assert collector_config() == (ROOT / "collector-config.yaml").read_text()


def test_the_policy_is_in_it():
    text = collector_config(sampling_rate=0.05, slow_threshold_ms=250, decision_wait_s=30)
    assert "probabilistic: {sampling_percentage: 5}" in text
    assert "latency: {threshold_ms: 250}" in text
    assert "COLLECTOR_DECISION_WAIT:-30s" in text


def test_without_a_threshold_there_is_no_policy_for_slow_traces():
    text = collector_config(slow_threshold_ms=None)
    assert "latency" not in text


@pytest.mark.parametrize(
    "settings", [{"sampling_rate": 2}, {"slow_threshold_ms": -1}, {"decision_wait_s": 0}], ids=str
)
def test_a_policy_that_is_none_is_refused(settings):
    with pytest.raises(ValueError, match="not"):
        collector_config(**settings)
