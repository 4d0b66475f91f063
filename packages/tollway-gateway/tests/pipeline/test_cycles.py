"""What a request made is freed when it and its connections end, without Python's cyclic collector."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tollway.gateway.pipeline.attempts import AttemptRecord
from tollway.gateway.pipeline.deadline import Deadline
from tollway.gateway.pipeline.plan import Plan
from tollway.gateway.pipeline.record import Record
from tollway.gateway.server.exchange import Exchange
from tollway.gateway.server.http1 import HTTPProtocol
from tollway.gateway.upstream._connection import Connection

WAIT_S = 20.0
REQUESTS = 5
PATH = "/endpoints/chat/invocations"
CHAT = {"messages": [{"role": "user", "content": "hi"}]}
MADE = (Exchange, HTTPProtocol, Record, AttemptRecord, Deadline, Plan, Connection)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> Counter[str]:
    """Return how many objects of a request's are alive."""
    return Counter(type(thing).__name__ for thing in gc.get_objects() if type(thing) in MADE)


def wait_until_gone(before: Counter[str], kept: Counter[str]) -> Counter[str]:
    """Return what is left beside what was there before, when the server's thread had time to let go."""
    end_s = time.monotonic() + WAIT_S
    while (more := left() - before) != kept and time.monotonic() < end_s:
        threading.Event().wait(0.01)
    return more


def begin_and_wait(exchange: Any) -> None:
    exchange.begin_stream()
    exchange.event({"n": 0})
    exchange.wait_until_gone()


@pytest.mark.parametrize(
    ("script", "stream", "kept"),
    [
        (lambda exchange: exchange.answer({"choices": []}), False, Counter(Connection=1)),
        (begin_and_wait, True, Counter()),
        (lambda exchange: exchange.cut(), False, Counter()),
        (lambda exchange: exchange.send(b"no HTTP\r\n\r\n"), False, Counter()),
    ],
    ids=["answered", "the caller hangs up", "the upstream hangs up", "the upstream talks nonsense"],
)
def test_nothing_is_left_for_the_collector(
    plain: Callable[..., Any],
    no_collector: None,
    script: Callable[[Any], Any],
    stream: bool,
    kept: Counter[str],
):
    """But for the connection that the next request will use."""
    gateway, _ = plain(script)
    before = left()
    for _ in range(REQUESTS):
        with (
            httpx.Client(base_url=gateway.url, timeout=WAIT_S) as client,
            client.stream("POST", PATH, json={**CHAT, "stream": stream}) as answer,
        ):
            next(answer.iter_bytes())
    assert kept == wait_until_gone(before, kept)
