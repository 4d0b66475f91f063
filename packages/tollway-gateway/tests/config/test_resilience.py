"""What an endpoint says of retries, hedges, its breaker, its concurrency and broken streams."""

from __future__ import annotations

import pytest

from tollway.gateway.config.values import BreakerConfig, ConcurrencyConfig, HedgeConfig, RetryConfig

from .conftest import GOOD

AT = "endpoints[0]"


def with_keys(keys: str) -> str:
    return f"{GOOD}    {keys}\n"


def test_the_designs_own_example_loads(loaded) -> None:
    (endpoint,) = loaded(
        GOOD
        + "    retry: {attempts: 3, backoff: 250ms, max_backoff: 4s, budget: 10%}\n"
        + "    hedge: {after: 800ms, budget: 2.5%}\n"
        + "    breaker: {failure_rate: 40%, min_requests: 5, consecutive_failures: 3, window: 20s,"
        + " open_for: 1s, max_open_for: 1m, probes: 2, when_open: reject}\n"
        + "    concurrency: {max_in_flight: 10, max_queue: 0, max_wait: 2s}\n"
        + "    stream_recovery: Buffer\n"
    ).endpoints

    assert RetryConfig(attempts=3, backoff_s=0.25, max_backoff_s=4.0, budget=0.1) == endpoint.retry
    assert HedgeConfig(after_s=0.8, budget=0.025) == endpoint.hedge
    assert ConcurrencyConfig(max_in_flight=10, max_queue=0, max_wait_s=2.0) == endpoint.concurrency
    assert "buffer" == endpoint.stream_recovery
    assert endpoint.breaker == BreakerConfig(
        failure_rate=0.4,
        min_requests=5,
        consecutive_failures=3,
        window_s=20.0,
        open_for_s=1.0,
        max_open_for_s=60.0,
        probes=2,
        when_open="reject",
    )


def test_without_a_section_there_are_no_retries_and_a_breaker_that_diverts(loaded) -> None:
    (endpoint,) = loaded(GOOD).endpoints

    assert [None, None, None] == [endpoint.retry, endpoint.hedge, endpoint.concurrency]
    assert BreakerConfig() == endpoint.breaker
    assert "divert" == BreakerConfig().when_open
    assert ("error", ()) == (endpoint.stream_recovery, endpoint.fallback)


@pytest.mark.parametrize("empty", ["retry: {}", "breaker: {}", "breaker: true"])
def test_an_empty_section_is_its_defaults(loaded, empty: str) -> None:
    (endpoint,) = loaded(with_keys(empty)).endpoints

    assert (RetryConfig() if "retry" in empty else None) == endpoint.retry
    assert BreakerConfig() == endpoint.breaker


@pytest.mark.parametrize("off", ["false", "off", "no"])
def test_a_breaker_can_be_switched_off(loaded, off: str) -> None:
    (endpoint,) = loaded(with_keys(f"breaker: {off}")).endpoints

    assert endpoint.breaker is None


@pytest.mark.parametrize(("after", "quantile"), [("p95", 0.95), ("P50", 0.5), ("p99.9", 0.999), ("p5", 0.05)])
def test_a_hedge_may_wait_for_a_percentile(loaded, after: str, quantile: float) -> None:
    (endpoint,) = loaded(with_keys(f"hedge: {{after: {after}}}")).endpoints

    assert endpoint.hedge is not None
    assert pytest.approx(quantile) == endpoint.hedge.after_quantile
    assert (None, 0.05) == (endpoint.hedge.after_s, endpoint.hedge.budget)


@pytest.mark.parametrize(("written", "budget"), [("20%", 0.2), ("0.2", 0.2), ("0%", 0), ("100 %", 1)])
def test_a_share_is_a_percentage_or_a_ratio(loaded, written: str, budget: float) -> None:
    (endpoint,) = loaded(with_keys(f"retry: {{budget: {written}}}")).endpoints

    assert endpoint.retry is not None
    assert pytest.approx(budget) == endpoint.retry.budget


@pytest.mark.parametrize(
    ("keys", "key", "said", "hint"),
    [
        ("retry: {attempts: 0}", "retry.attempts", "above 0", ""),
        ("retry: {attempts: 1.5}", "retry.attempts", "whole number", ""),
        ("retry: {budget: -5%}", "retry.budget", "from 0% to 100%, and is '-5%'", "such as 20%"),
        ("retry: {budget: -0.1}", "retry.budget", "from 0% to 100%", "such as 20%"),
        ("retry: {budget: 120%}", "retry.budget", "from 0% to 100%", "such as 20%"),
        ("retry: {budget: 20}", "retry.budget", "from 0% to 100%", "write 20%"),
        ("retry: {budget: some%}", "retry.budget", "'some%' is not a percentage", "such as 20%"),
        ("retry: {budget: nan%}", "retry.budget", "from 0% to 100%", ""),
        ("retry: {backoff: -1s}", "retry.backoff", "is not a duration", "300ms"),
        ("retry: {backoff: 9s}", "retry.backoff", "backoff is 9s, above max_backoff (8s)", "at least 9s"),
        ("retry: {backoff: 2s, max_backoff: 1s}", "retry.backoff", "above max_backoff (1s)", "at most 1s"),
        ("retry: {max_backoff: 100ms}", "retry.max_backoff", "backoff is 0.5s", "at least 0.5s"),
        ("retry: {max_retries: 2}", "retry.max_retries", "unknown key", "attempts"),
        ("retry: {atempts: 2}", "retry.atempts", "unknown key", "did you mean 'attempts'?"),
        ("retry: 3", "retry", "must be a mapping", ""),
        ("hedge: {budget: 5%}", "hedge", "'after' is missing", "add after"),
        ("hedge: {after: p100}", "hedge.after", "is not a duration", "a percentile such as p95"),
        ("hedge: {after: p0}", "hedge.after", "is not a percentile", "from p1"),
        ("hedge: {after: soon}", "hedge.after", "is not a duration", "800ms"),
        ("hedge: {after: 0}", "hedge.after", "longer than", "800ms"),
        ("hedge: {after: 1s, budget: -1}", "hedge.budget", "from 0% to 100%", ""),
        ("breaker: {failure_rate: 0%}", "breaker.failure_rate", "above", ""),
        ("breaker: {probes: 0}", "breaker.probes", "above 0", ""),
        ("breaker: {open_for: 1h}", "breaker.open_for", "above max_open_for (15s)", "at least 3600s"),
        ("breaker: {when_open: panic}", "breaker.when_open", "not one of divert, reject", ""),
        ("breaker: maybe", "breaker", "true or false", ""),
        ("concurrency: {max_queue: 1}", "concurrency", "'max_in_flight' is missing", "add"),
        ("concurrency: {max_in_flight: 0}", "concurrency.max_in_flight", "above 0", ""),
        ("concurrency: {max_in_flight: 1, max_queue: -1}", "concurrency.max_queue", "from 0 up", ""),
        ("concurrency: {max_in_flight: 1, max_wait: 0}", "concurrency.max_wait", "longer than", ""),
        ("stream_recovery: resume", "stream_recovery", "not one of error, continue, buffer", ""),
    ],
)
def test_one_problem(problem, keys: str, key: str, said: str, hint: str) -> None:
    """Each fault is told once, with its line, its key and how to fix it."""
    found = problem(with_keys(keys))

    assert (8, f"{AT}.{key}") == (found.line, found.key)
    assert said in found.message
    assert hint in found.hint


def test_all_problems_are_told_at_once(problems) -> None:
    keys = "retry: {attempts: 0, budget: -1%}\n    hedge: {after: soon}\n    stream_recovery: no"

    assert [8, 8, 9, 10] == [one.line for one in problems(with_keys(keys))]
