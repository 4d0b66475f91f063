"""A plan: who is asked for a call, and what follows a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.config.values import BreakerConfig, EndpointConfig, ModelConfig, TimeoutConfig
from tollway.gateway.limits import Claim, Decision, Rate
from tollway.gateway.pipeline.admit import Grant
from tollway.gateway.pipeline.deadline import Deadline, TimeLimit, Timers, time_limits
from tollway.gateway.pipeline.plan import Plan
from tollway.gateway.resilience.breaker import CircuitOpenError
from tollway.gateway.resilience.shedding import OPEN
from tollway.gateway.resilience.upstream import Upstream
from tollway.provider import Call, ErrorKind, ProviderError, Task, UpstreamConnectionError

CALL = APICall(Task.CHAT, {"messages": []}, b"{}", api=api_of(Task.CHAT))
LOST = UpstreamConnectionError("gone")
ALLOWED = Decision(allowed=True, remaining=1, wait_us=0, full_in_us=0)
DENIED = Decision(allowed=False, remaining=0, wait_us=1, full_in_us=1)


class Retries:
    """Allows so many retries, at once."""

    def __init__(self, count: int) -> None:
        self.left = count

    def delay_s(self, attempts: int, error: ProviderError, left_s: float, budget: Any) -> float | None:
        self.left -= 1
        return 0.0 if self.left >= 0 else None


class Store:
    """Decides as a test says."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def take_nowait(self, claims: Any) -> list[Decision]:
        return [self.decision]


class Limit:
    """A quota whose store decides as a test says."""

    name = "limit"
    unit = "requests"
    value_of = None

    def __init__(self, decision: Decision) -> None:
        self.rate = Rate(1, 1, 1)
        self.store = Store(decision)
        self.whole = Claim(self.rate, b"", 1)


class Endpoint:
    """What a plan sees of an endpoint."""

    gate = OPEN
    labels = None

    def __init__(self, name: str, *, retries: int = 0, decision: Decision = ALLOWED, prefill=False) -> None:
        self.name = name
        self.quotas = (Limit(decision),)
        self.quota_sets: dict[Any, Any] = {}
        self.budgets = ()
        self.retry = Retries(retries)
        self.can_prefill = prefill
        self.limits = time_limits(TimeoutConfig())
        config = EndpointConfig(
            name=name,
            endpoint_type=Task.CHAT,
            model=ModelConfig(provider="openai", name="m"),
            breaker=BreakerConfig(consecutive_failures=1, when_open="reject"),
        )
        self.upstream = Upstream([config], lambda: 1000.0, lambda: 0.0)


class Destination:
    """Gives candidates one by one, and remembers how many it gave."""

    quotas = ()
    budgets = ()
    route_name = None

    def __init__(self, *endpoints: Endpoint, by_conversation: bool = False) -> None:
        self.endpoints = endpoints
        self.by_conversation = by_conversation
        self.given: list[str] = []
        self.has_served: list[tuple[bytes | None, str]] = []

    def key(self, headers: Any, payload: Any) -> bytes:
        return b"the conversation"

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        for endpoint in self.endpoints:
            self.given.append(endpoint.name)
            yield endpoint

    def served(self, key: bytes | None, name: str) -> None:
        self.has_served.append((key, name))


class Record:
    """Remembers what a plan notes."""

    usage = None

    def __init__(self) -> None:
        self.labels: Any = None
        self.events: list[tuple[str, ...]] = []

    def retried(self, endpoint: Endpoint, error: ProviderError, delay_s: float) -> None:
        self.events.append(("retry", endpoint.name))

    def passed_on(self, endpoint: Endpoint, following: Endpoint, error: ProviderError) -> None:
        self.events.append(("fallback", endpoint.name, following.name))

    def denied(self, limit: str, decision: Decision) -> None:
        self.events.append(("denied",))


class CountedGrant(Grant):
    def __init__(self) -> None:
        super().__init__()
        self.settled = 0

    def settle(self, usage: Any, *, answered: bool = False) -> None:
        self.settled += 1


def plan_of(destination: Any, record: Any = None, call: Call = CALL) -> Plan:
    return Plan(call, destination, {"headers": []}, record or Record())


def advance(plan: Plan, error: ProviderError = LOST, *, begun: bool = False) -> bool:
    """Let a plan go on after a failure, with a minute left."""

    async def receive() -> Any:
        await asyncio.get_running_loop().create_future()

    async def test() -> bool:
        deadline = Deadline(receive, Timers(), total=TimeLimit(60, TimeoutError))
        return await plan.advance(error, deadline, begun=begun)

    return run(test)


def run(test: Callable[[], Awaitable[bool]]) -> bool:
    return asyncio.run(asyncio.wait_for(test(), 20))


def test_candidates_are_worked_out_when_they_are_asked():
    """A plain request asks for one."""
    destination = Destination(Endpoint("a"), Endpoint("b"), Endpoint("c"))
    plan = plan_of(destination)
    assert (["a"], "a", None) == (destination.given, plan.endpoint.name, plan.reason)
    assert advance(plan)
    assert (["a", "b"], "b", "fallback") == (destination.given, plan.endpoint.name, plan.reason)


def test_retries_come_before_fallbacks():
    """The same endpoint is asked again as often as its policy says, then the next one from its beginning."""
    record = Record()
    plan = plan_of(Destination(Endpoint("a", retries=1), Endpoint("b")), record)
    plan.begin()
    assert advance(plan)
    assert ("a", "retry", 1) == (plan.endpoint.name, plan.reason, plan.attempts)
    plan.begin()
    assert advance(plan)
    assert ("b", "fallback", 0) == (plan.endpoint.name, plan.reason, plan.attempts)
    assert [("retry", "a"), ("fallback", "a", "b")] == record.events


def test_the_last_failure_is_the_end():
    plan = plan_of(Destination(Endpoint("a")))
    assert not advance(plan)
    assert "a" == plan.endpoint.name


@pytest.mark.parametrize("kind", [ErrorKind.NEVER, ErrorKind.CONTENT_FILTER])
def test_what_no_other_model_can_answer_is_passed_to_none(kind: ErrorKind):
    destination = Destination(Endpoint("a"), Endpoint("b"))
    plan = plan_of(destination)
    assert not advance(plan, ProviderError("no", kind=kind))
    assert ["a"] == destination.given


def test_a_fallback_that_denies_is_passed_over():
    """Its limit holds for calls that fail elsewhere too."""
    record = Record()
    plan = plan_of(Destination(Endpoint("a"), Endpoint("b", decision=DENIED), Endpoint("c")), record)
    assert advance(plan)
    assert "c" == plan.endpoint.name
    assert [("denied",), ("fallback", "a", "c")] == record.events


def test_a_call_is_admitted_to_one_endpoint_at_a_time():
    """What the first one granted is settled when the next one is asked, and not before."""
    plan = plan_of(Destination(Endpoint("a", retries=1), Endpoint("b")))
    plan.grant = grant = CountedGrant()
    assert advance(plan)
    assert (0, grant) == (grant.settled, plan.grant)
    assert advance(plan)
    assert 1 == grant.settled
    assert plan.grant is not grant


def test_an_answer_that_has_begun_goes_on_only_where_a_model_can():
    """It is not asked for again, nor of a model that would begin anew."""
    plan = plan_of(Destination(Endpoint("a", retries=1), Endpoint("b"), Endpoint("c", prefill=True)))
    assert advance(plan, begun=True)
    assert ("c", "continue") == (plan.endpoint.name, plan.reason)


def test_an_open_breaker_refuses_the_attempt():
    """The error takes the same way as any other failure: to the next candidate."""
    first = Endpoint("a")
    first.upstream.failed(first.upstream.begin(last=False) or 0, LOST)
    plan = plan_of(Destination(first, Endpoint("b")))
    with pytest.raises(CircuitOpenError) as refused:
        plan.begin()
    assert advance(plan, refused.value)
    assert "b" == plan.endpoint.name


def test_a_whole_answer_gets_half_of_the_time_where_another_model_could_be_asked():
    limits = Endpoint("a").limits
    assert limits.whole.within_s == plan_of(Destination(Endpoint("a"))).limit().within_s
    assert limits.half.within_s == plan_of(Destination(Endpoint("a"), Endpoint("b"))).limit().within_s
    stream = APICall(Task.CHAT, {}, b"{}", stream=True, api=api_of(Task.CHAT))
    assert limits.first.within_s == plan_of(Destination(Endpoint("a")), call=stream).limit().within_s


def test_a_conversation_is_worked_out_only_where_it_counts():
    plain, sticky = Destination(Endpoint("a")), Destination(Endpoint("a"), by_conversation=True)
    assert plan_of(plain).key is None
    plan = plan_of(sticky)
    plan.served(plan.endpoint)
    assert [(b"the conversation", "a")] == sticky.has_served
