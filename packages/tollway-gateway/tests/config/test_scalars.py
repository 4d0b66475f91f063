"""Single values, as leniently as MLflow reads them."""

from __future__ import annotations

import pytest

from .conftest import GOOD


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("second", 1),
        ("minute", 60),
        ("HOURS", 3600),
        ("Day", 86400),
        ("'2 minutes'", 120),
        ("2 minutes", 120),
        ("1.5 hours", 5400),
        ("30s", 30),
        ("month", 30 * 86400),
    ],
)
def test_periods(loaded, written: str, seconds: float):
    limit = loaded(f"{GOOD}    limit: {{calls: 1, renewal_period: {written}}}\n").endpoints[0].limits[0]
    assert seconds == limit.renewal_period_s


@pytest.mark.parametrize("written", ["fortnight", "60", "0 minutes", "''", "minutely", "-1 hour", "[minute]"])
def test_what_is_no_period(problem, written: str):
    found = problem(f"{GOOD}    limit: {{calls: 1, renewal_period: {written}}}\n")
    assert "endpoints[0].limit.renewal_period" == found.key


@pytest.mark.parametrize(
    ("written", "seconds"), [("5s", 5), ("300ms", 0.3), ("2m", 120), ("7", 7), ("0.5", 0.5), ("'9'", 9)]
)
def test_durations(loaded, written: str, seconds: float):
    assert seconds == loaded(f"{GOOD}    timeout: {{total: {written}}}\n").endpoints[0].timeout.total_s


@pytest.mark.parametrize("written", ["'1000'", "1000", "1000.0", "1e3", "$CALLS"])
def test_numbers(loaded, written: str):
    text = f"{GOOD}    limit: {{calls: {written}, renewal_period: hour}}\n"
    assert 1000 == loaded(text, {"CALLS": "1000"}).endpoints[0].limits[0].calls


@pytest.mark.parametrize("written", ["true", "1.5", "'x'", ".inf", "-3", "[1]"])
def test_what_is_no_count(problem, written: str):
    found = problem(f"{GOOD}    limit: {{calls: {written}, renewal_period: hour}}\n")
    assert "endpoints[0].limit.calls" == found.key


def test_the_values_of_variables_are_not_told(problem):
    """A variable that was mixed up may hold a secret: the file's own word is shown."""
    found = problem(f"{GOOD}    limit: {{calls: $KEY, renewal_period: hour}}\n", {"KEY": "sk-secret"})
    assert "must be a number, not '$KEY'" == found.message


def test_an_empty_optional_value_is_the_default(loaded):
    config = loaded(f"{GOOD}    limit:\ntracing:\n  sampling_rate:\n")
    assert ((), None) == (config.endpoints[0].limits, config.tracing.sampling_rate)
