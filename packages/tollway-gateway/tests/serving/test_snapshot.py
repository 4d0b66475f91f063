"""A request is served to its end by the configuration that it found; what nothing uses any more is closed."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tollway.gateway.apis import APICall, api_of
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Runtime
from tollway.gateway.resilience.breaker import State
from tollway.gateway.serving import Snapshot, Snapshots, build
from tollway.provider import BaseProvider, Target, Task, UpstreamError

WAIT_S = 20.0
CHAT = {"messages": [{"role": "user", "content": "hi"}]}


class Model(BaseProvider):
    """Answers its own name, once it may, and says when it was closed."""

    def __init__(self, name: str, endpoint: str = "chat") -> None:
        super().__init__(Target(endpoint, Task.CHAT, name))
        self.name = name
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.closed = threading.Event()

    def predict(self, payload: object) -> str:
        self.asked.set()
        self.may_answer.wait(WAIT_S)
        return self.name

    def close(self) -> None:
        self.closed.set()


def endpoint(name: str = "chat", model: str = "m", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "endpoint_type": "llm/v1/chat",
        "model": {"provider": "openai", "name": model, "config": {"openai_api_key": "k"}},
        **more,
    }


def configured(*endpoints: dict[str, Any], **more: Any) -> GatewayConfig:
    return GatewayConfig(endpoints=list(endpoints), **more)


def swap(running: Any, config: GatewayConfig, **providers: Model) -> None:
    """Let a gateway serve by another configuration, between two requests."""
    snapshots, runtime = running.app._snapshots, running.app.lifetime._runtime
    snapshots.swap(build(config, runtime, providers or None, snapshots.current))


def said(answer: Any) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def test_a_request_ends_on_the_configuration_it_began_with(gateway):
    """New ones go to the next; what the old one alone had is closed after its last request."""
    old, new = Model("old"), Model("new")
    old.may_answer.clear()
    running = gateway({"endpoints": [endpoint()]}, providers={"chat": old})
    with ThreadPoolExecutor() as threads:
        first = threads.submit(running.client.post, "/endpoints/chat/invocations", json=CHAT)
        assert old.asked.wait(WAIT_S)
        swap(running, configured(endpoint()), chat=new)
        assert "new" == said(running.client.post("/endpoints/chat/invocations", json=CHAT))
        assert not old.closed.is_set()
        old.may_answer.set()
        assert "old" == said(first.result(WAIT_S))
    assert old.closed.wait(WAIT_S)
    assert not new.closed.is_set()


def test_a_provider_that_goes_on_serving_stays_open(gateway):
    """It is closed with the last configuration that has it."""
    kept, gone = Model("kept", "a"), Model("gone", "b")
    running = gateway({"endpoints": [endpoint("a"), endpoint("b")]}, providers={"a": kept, "b": gone})
    swap(running, configured(endpoint("a")), a=kept)
    assert gone.closed.wait(WAIT_S)
    assert 404 == running.client.post("/endpoints/b/invocations", json=CHAT).status_code
    assert "kept" == said(running.client.post("/endpoints/a/invocations", json=CHAT))
    assert not kept.closed.is_set()
    running.stop()
    assert kept.closed.is_set()


def test_a_call_that_its_caller_gave_up_keeps_its_model_open():
    """Closing a model under a `predict` that still runs would crash some of them."""
    model = Model("m")
    runtime = Runtime({})
    first = build(configured(endpoint()), runtime, {"chat": model})
    snapshots = Snapshots(first, runtime.metrics)
    place = first.slots["chat"].take()
    assert place is not None
    snapshots.swap(build(configured(endpoint()), runtime, {"chat": Model("n")}, first))
    assert [] == snapshots.take_drained()
    place.leave()
    assert [first] == snapshots.take_drained()
    assert [] == snapshots.take_drained()


@pytest.fixture
def runtime() -> Runtime:
    return Runtime({})


def followed(runtime: Runtime, before: GatewayConfig, after: GatewayConfig) -> tuple[Snapshot, Snapshot]:
    first = build(before, runtime)
    return first, build(after, runtime, before=first)


def test_a_bucket_keeps_its_state_where_its_limit_is_unchanged(runtime: Runtime):
    """Another limit begins with a full bucket; one that was set anew does not give its calls back."""
    limit = {"calls": 1, "renewal_period_s": 86400, "burst": 2}
    first, same = followed(
        runtime,
        configured(endpoint(limits=[limit])),
        configured(endpoint(limits=[limit], retry={"attempts": 3})),
    )
    other = build(configured(endpoint(limits=[{**limit, "burst": 5}])), runtime, before=same)
    assert [1, 0] == [remaining(first), remaining(same)]
    assert 4 == remaining(other)


def remaining(snapshot: Snapshot) -> int:
    (quota,) = endpoint_of(snapshot).quotas
    (decision,) = quota.store.take_nowait(
        [quota.claim({}, APICall(Task.CHAT, {}, b"", False, api=api_of(Task.CHAT)))]
    )
    return int(decision.remaining)


def endpoint_of(snapshot: Snapshot, name: str = "chat") -> Any:
    return snapshot.routes[f"/endpoints/{name}/invocations"].destination._only[0]


def fail(snapshot: Snapshot, times: int) -> None:
    for _ in range(times):
        upstream = endpoint_of(snapshot).upstream
        upstream.failed(upstream.begin(last=True), UpstreamError("m", upstream_status=500))


def breaker_metric(runtime: Runtime, name: str = "chat") -> float | None:
    return runtime.metrics.registry.get_sample_value("gateway_breaker_state", {"endpoint": name})


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, True),
        ({"timeout": {"total_s": 5.0}}, True),
        ({"retry": {"attempts": 3}}, True),
        ({"breaker": {"consecutive_failures": 9}}, False),
        ({"model": {"provider": "openai", "name": "m", "config": {"openai_api_key": "other"}}}, False),
    ],
    ids=["nothing", "timeout", "retry", "breaker", "key"],
)
def test_an_open_breaker_stays_open_where_it_is_unchanged(runtime: Runtime, changes: dict, kept: bool):
    """Another account or another setting is another breaker; the metric shows the one that serves."""
    first = build(configured(endpoint()), runtime)
    snapshots = Snapshots(first, runtime.metrics)
    fail(first, 5)
    assert 2 == breaker_metric(runtime)
    snapshots.swap(build(configured({**endpoint(), **changes}), runtime, before=first))
    state = endpoint_of(snapshots.current).upstream.breaker.state
    assert (State.OPEN if kept else State.CLOSED) is state
    assert (2 if kept else 0) == breaker_metric(runtime)
    fail(first, 5)
    assert (2 if kept else 0) == breaker_metric(runtime)


def test_a_breaker_that_is_no_more_is_no_open_one(runtime: Runtime):
    first = build(configured(endpoint(), endpoint("b", "n")), runtime)
    snapshots = Snapshots(first, runtime.metrics)
    fail(first, 5)
    snapshots.swap(build(configured(endpoint("b", "n")), runtime, before=first))
    assert 0 == breaker_metric(runtime)


def test_providers_places_and_tables_are_taken_over(runtime: Runtime):
    """A model in memory is not loaded again, and calls that run are not forgotten."""
    route = {
        "name": "r",
        "task_type": "llm/v1/chat",
        "routing_strategy": "STICKY",
        "destinations": [{"name": "chat"}],
    }
    bound = {"max_in_flight": 1}
    config = configured(endpoint(concurrency=bound, hedge={"after_s": 1.0}), routes=[route])
    first, second = followed(runtime, config, config)
    before, after = endpoint_of(first), endpoint_of(second)
    assert first.providers["chat"] is second.providers["chat"]
    assert (before.gate, before.hedge, before.upstream) == (after.gate, after.hedge, after.upstream)
    assert first.memory is second.memory
    tables = [one.routes["/endpoints/r/invocations"].destination._strategy._table for one in (first, second)]
    assert tables[0] is tables[1]


def test_a_snapshot_that_is_closed_is_gone(runtime: Runtime):
    """However many configurations there were, only those that serve take memory."""
    snapshots = Snapshots(build(configured(endpoint()), runtime), runtime.metrics)
    seen = []
    for number in range(5):
        seen.append(weakref.ref(snapshots.current))
        snapshots.swap(
            build(configured(endpoint(), endpoint(f"e{number}", "n")), runtime, before=snapshots.current)
        )
        for one in snapshots.take_drained():
            asyncio.run(one.client.close())
            del one
    gc.collect()
    assert [] == [one for one in seen if one() is not None]


def test_connections_stay_as_long_as_a_snapshot_uses_them(gateway, upstream):
    """The next configuration goes on with those of the one before; unused ones are closed with it."""
    completion = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
    }

    def answer_and_stay(exchange: Any) -> None:
        exchange.answer(completion)
        exchange.wait_until_gone()

    stays, goes = upstream(lambda exchange: exchange.answer(completion)), upstream(answer_and_stay)

    def asking(name: str, server: Any) -> dict[str, Any]:
        config = {"openai_api_key": "k", "openai_api_base": f"{server.url}/v1"}
        return {**endpoint(name), "model": {"provider": "openai", "name": "m", "config": config}}

    running = gateway({"endpoints": [asking("stays", stays), asking("goes", goes)]})
    for name in ("stays", "goes"):
        assert 200 == running.client.post(f"/endpoints/{name}/invocations", json=CHAT).status_code
    old = running.app._snapshots.current
    old.in_flight += 1  # a request that takes its time
    swap(running, configured(asking("stays", stays)))
    assert 200 == running.client.post("/endpoints/stays/invocations", json=CHAT).status_code
    old.in_flight -= 1
    assert goes.requests.get(timeout=WAIT_S).gone.wait(WAIT_S)
    assert 200 == running.client.post("/endpoints/stays/invocations", json=CHAT).status_code
    assert 1 == stays.connections


def test_ready_is_false_when_no_upstream_can_serve(gateway):
    """It is again once a probe may pass, and while one upstream is not open; `/health` stays."""
    running = gateway({"endpoints": [endpoint(), endpoint("b", "n")]}, control=None)
    upstreams = running.app._snapshots.current.upstreams
    assert ready(running) == (200, None)
    open_breaker(upstreams[0])
    assert ready(running) == (200, None)
    open_breaker(upstreams[1])
    assert ready(running) == (503, "no_upstream_available")
    assert 200 == running.client.get("/health").status_code
    upstreams[1].breaker._open_until_s = 0.0
    assert ready(running) == (200, None)


def test_ready_is_false_once_a_stop_is_asked_for(gateway):
    running = gateway({"endpoints": [endpoint()]}, control=None)
    running.app.lifetime.drain()
    assert ready(running) == (503, "draining")
    assert 200 == running.client.get("/health").status_code


def ready(running: Any) -> tuple[int, str | None]:
    answer = running.client.get("/ready")
    return answer.status_code, answer.json().get("reason")


def open_breaker(upstream: Any) -> None:
    for _ in range(5):
        upstream.failed(upstream.begin(last=True), UpstreamError("m", upstream_status=500))


def test_answers_have_their_price_after_a_reload_too(gateway, upstream):
    """List prices are loaded for the endpoints of each configuration."""
    completion = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010},
    }
    server = upstream(lambda exchange: exchange.answer(completion))
    config = {"openai_api_key": "k", "openai_api_base": f"{server.url}/v1"}
    model = {"provider": "openai", "name": "gpt-4", "config": config}
    running = gateway({"endpoints": [{**endpoint(), "model": model}]})
    costs = []
    for timeout_s in (7.0, 8.0):
        answer = running.client.post("/endpoints/chat/invocations", json=CHAT)
        costs.append(answer.headers.get("x-tollway-cost"))
        swap(running, configured({**endpoint(), "model": model, "timeout": {"total_s": timeout_s}}))
    assert costs[0] is not None
    assert costs[0] == costs[1]
