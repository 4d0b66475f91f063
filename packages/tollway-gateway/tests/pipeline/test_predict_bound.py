"""Calls of `predict` are bounded by endpoint, and those that hang hold nobody up but themselves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tollway.provider import BaseProvider, Target, Task

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
PATH = "/endpoints/{}/invocations"
WAIT_S = 20.0


class Hangs:
    """A `predict` of each kind that hangs until it is told to go on."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def in_thread(self, payload: Any) -> str:
        self.entered.release()
        self.go_on.wait(WAIT_S)
        return "ho"

    def in_generator(self, payload: Any) -> Iterator[str]:
        yield self.in_thread(payload)

    async def deaf(self, payload: Any) -> str:
        self.entered.release()
        while not self.go_on.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        return "ho"

    async def deaf_generator(self, payload: Any) -> Any:
        yield await self.deaf(payload)

    def as_coroutine(self, payload: Any) -> Any:
        return self.deaf(payload)


KINDS = ["in_thread", "in_generator", "deaf", "deaf_generator", "as_coroutine"]


@pytest.fixture
def hangs() -> Iterator[Hangs]:
    made = Hangs()
    yield made
    made.go_on.set()


@pytest.fixture
def start(gateway) -> Callable[..., Any]:
    """Starts a gateway with an endpoint that hangs, and one that does not."""

    def started(predict: Any, limit: int, **more: Any) -> Any:
        kinds = {"hangs": predict, "works": lambda payload: "ho"}
        providers = {
            name: type(name, (BaseProvider,), {"predict": staticmethod(kind)})(Target(name, Task.CHAT, "m"))
            for name, kind in kinds.items()
        }
        common = {"endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
        endpoints = [{"name": "hangs", **common, **more}, {"name": "works", **common}]
        return gateway({"endpoints": endpoints, "server": {"max_predict_calls": limit}}, providers=providers)

    return started


def ask(gateway: Any, name: str, **more: Any) -> httpx.Response:
    return gateway.client.post(PATH.format(name), json={**CHAT, **more})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_calls_above_the_bound_are_refused(start, hangs: Hangs, kind: str, stream: bool):
    """They get 503 with Retry-After, counted; other endpoints are served, and later this one is again."""
    gateway = start(getattr(hangs, kind), 2)
    held = [
        threading.Thread(target=ask, args=(gateway, "hangs"), kwargs={"stream": stream}) for _ in range(2)
    ]
    for thread in held:
        thread.start()
        assert hangs.entered.acquire(timeout=WAIT_S)
    refused = ask(gateway, "hangs", stream=stream)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "endpoint_overloaded"
    assert gateway.metric("gateway_predict_refusals_total", endpoint="hangs") == 1
    assert gateway.metric("gateway_predict_calls", endpoint="hangs") == 2
    assert ask(gateway, "works").status_code == 200
    hangs.go_on.set()
    for thread in held:
        thread.join(WAIT_S)
    gateway.wait_for_metric(0, "gateway_predict_calls", endpoint="hangs")
    assert ask(gateway, "hangs", stream=stream).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_an_abandoned_call_keeps_its_place_until_it_ends(start, hangs: Hangs, kind: str, stream: bool):
    """Its caller has its 504 in time, whether the call can be interrupted or not."""
    limits = {"total_s": 0.8, "first_token_s": 0.8}  # enough to reach `predict` on a busy machine
    gateway = start(getattr(hangs, kind), 1, timeout=limits)
    assert ask(gateway, "hangs", stream=stream).status_code == 504
    assert ask(gateway, "hangs", stream=stream).status_code == 503
    hangs.go_on.set()
    gateway.wait_for_metric(0, "gateway_predict_calls", endpoint="hangs")
    assert ask(gateway, "hangs", stream=stream).status_code == 200


@pytest.mark.parametrize("is_async", [False, True])
def test_a_stream_takes_its_place_until_it_is_closed(start, is_async: bool):
    """Also between two pieces, when nothing runs."""

    def pieces(payload: Any) -> Iterator[str]:
        while True:
            yield "x" * 1000

    async def pieces_later(payload: Any) -> Any:
        for piece in pieces(payload):
            await asyncio.sleep(0)
            yield piece

    gateway = start(pieces_later if is_async else pieces, 1)
    with gateway.client.stream("POST", PATH.format("hangs"), json={**CHAT, "stream": True}) as answer:
        lines = answer.iter_lines()  # kept: the answer is closed with it
        next(lines)
        with httpx.Client(base_url=gateway.url, trust_env=False) as other:
            assert other.post(PATH.format("hangs"), json=CHAT).status_code == 503
    gateway.wait_for_metric(0, "gateway_predict_calls", endpoint="hangs")


class HangsInClose:
    """Yields one piece, both ways, and closes when it is told to."""

    def __init__(self, go_on: threading.Event) -> None:
        self._pieces = iter(["ho"])
        self._go_on = go_on

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        self._go_on.wait(WAIT_S)

    async def __anext__(self) -> str:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await asyncio.to_thread(self._go_on.wait, WAIT_S)


class HangsInThread(HangsInClose):
    def __iter__(self) -> HangsInThread:
        return self


class HangsInTask(HangsInClose):
    def __aiter__(self) -> HangsInTask:
        return self


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [HangsInThread, HangsInTask])
def test_a_close_that_hangs_holds_nobody_up(start, hangs: Hangs, kind: type[HangsInClose], stream: bool):
    """The caller has the whole answer; the place is free when the close has ended."""
    gateway = start(lambda payload: kind(hangs.go_on), 1)
    answer = ask(gateway, "hangs", stream=stream)
    assert answer.status_code == 200
    assert "ho" in answer.text
    assert ("[DONE]" in answer.text) is stream
    assert ask(gateway, "hangs").status_code == 503
    hangs.go_on.set()
    gateway.wait_for_metric(0, "gateway_predict_calls", endpoint="hangs")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("stream", [False, True])
def test_nothing_that_an_async_predict_raises_stops_the_server(
    start, error: type[BaseException], stream: bool
):
    """It is that call's failure."""

    async def predict(payload: Any) -> str:
        raise error

    async def pieces(payload: Any) -> Any:
        raise error
        yield "ho"

    for kind in (predict, pieces):
        gateway = start(kind, 1)
        answer = ask(gateway, "hangs", stream=stream)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "prediction_failed")
        assert ask(gateway, "works").status_code == 200
        gateway.wait_for_metric(0, "gateway_predict_calls", endpoint="hangs")
