from typing import Any

import pytest

from tollway.gateway.config.values import BreakerConfig, EndpointConfig, ModelConfig, RetryConfig
from tollway.gateway.resilience.breaker import Outcome, State
from tollway.gateway.resilience.budget import NO_BUDGET
from tollway.gateway.resilience.upstream import Upstream, upstream_key
from tollway.provider import BaseProvider, HTTPProvider, Target, Task, UpstreamError

from .conftest import Clock, endpoint, never


class Acme(HTTPProvider):
    base_url = "https://acme.test/v1"
    base_url_setting = "base"
    key_setting = "key"


def key_of(name: str, model: str = "m", task: Task = Task.CHAT, **config: Any) -> object:
    target = Target(name, task, model, config)
    wired = EndpointConfig(
        name=name, endpoint_type=task, model=ModelConfig(provider="acme", name=model, config=config)
    )
    return upstream_key(wired, Acme(target))


def test_endpoints_of_one_model_and_account_share_an_upstream() -> None:
    assert key_of("a", key="k") == key_of("b", key="k")


@pytest.mark.parametrize(
    "other", [{"key": "other"}, {"base": "https://b.test"}, {"model": "n"}, {"task": Task.COMPLETIONS}]
)
def test_another_account_url_model_or_task_is_another_upstream(other: dict[str, Any]) -> None:
    assert key_of("a", **{"key": "k"}) != key_of("a", **{"key": "k", **other})


def test_a_model_in_this_process_is_an_upstream_of_its_own() -> None:
    target = Target("a", Task.CHAT, "m")

    assert upstream_key(endpoint("a"), BaseProvider(target)) != upstream_key(
        endpoint("b"), BaseProvider(target)
    )


def made(clock: Clock, *configs: EndpointConfig) -> Upstream:
    return Upstream(configs, clock, never)


def test_the_first_endpoint_names_it_and_sets_its_breaker(clock: Clock) -> None:
    upstream = made(
        clock, endpoint("a", BreakerConfig(consecutive_failures=1)), endpoint("b", BreakerConfig())
    )
    permit = upstream.begin(last=True)
    assert permit is not None
    upstream.failed(permit, UpstreamError("m", upstream_status=500))

    assert ("a", State.OPEN, False) == (upstream.name, upstream.breaker.state, upstream.available)


def test_the_smallest_of_several_retry_budgets_counts(clock: Clock) -> None:
    upstream = made(
        clock,
        endpoint("a", retry=RetryConfig(attempts=1, budget=0.0)),
        endpoint("b", retry=RetryConfig(budget=0.5)),
        endpoint("c", retry=RetryConfig(budget=0.1)),
    )
    for _ in range(1000):
        permit = upstream.begin(last=True)
        assert permit is not None
        upstream.end(permit, Outcome.SUCCESS)

    assert 100 == sum(upstream.budget.withdraw() for _ in range(1000))


def test_retries_do_not_pay_into_the_budget(clock: Clock) -> None:
    upstream = made(clock, endpoint("a", retry=RetryConfig(budget=1.0)))
    for _ in range(100):
        permit = upstream.begin(last=True, retry=True)
        assert permit is not None
        upstream.end(permit, Outcome.SUCCESS)

    assert 10 == sum(upstream.budget.withdraw() for _ in range(100))


def test_without_retries_there_is_nothing_to_pay_into(clock: Clock) -> None:
    assert NO_BUDGET is made(clock, endpoint("a")).budget


def test_requests_in_flight_are_counted(clock: Clock) -> None:
    upstream = made(clock, endpoint("a"))
    permits = [upstream.begin(last=True) for _ in range(3)]
    assert 3 == upstream.in_flight
    for permit in permits:
        assert permit is not None
        upstream.end(permit, Outcome.NEUTRAL)
    assert 0 == upstream.in_flight


@pytest.mark.parametrize(
    ("when_open", "last", "passes"),
    [("divert", True, True), ("divert", False, False), ("reject", True, False), ("reject", False, False)],
)
def test_an_open_breaker_lets_the_last_candidate_pass_unless_it_rejects(
    when_open: str, last: bool, passes: bool, clock: Clock
) -> None:
    config = BreakerConfig(consecutive_failures=1, when_open=when_open)
    upstream = made(clock, endpoint("a", config))
    permit = upstream.begin(last=True)
    assert permit is not None
    upstream.end(permit, Outcome.FAILURE)

    assert passes is (upstream.begin(last=last) is not None)
    assert (1 if passes else 0) == upstream.in_flight
