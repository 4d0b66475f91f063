"""What is written in one round of the event loop leaves together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from uvicorn.server import ServerState

from tollway.gateway.outbox import Outbox, outbox_of
from tollway.gateway.server.connection import Connection
from tollway.gateway.upstream.connection_core import ConnectionCore


class Noted:
    def __init__(self, name: str, seen: list[str], fails: bool = False) -> None:
        self.name = name
        self.seen = seen
        self.fails = fails

    def flush(self) -> None:
        if self.fails:
            raise OSError("no more")
        self.seen.append(self.name)


class Written:
    """A transport that notes what is written."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.seen.append(data.decode())


def answers(outbox: Outbox, seen: list[str]) -> None:
    connection = Connection(asyncio.get_running_loop(), outbox, ServerState())
    connection.transport = Written(seen)
    connection.write(b"a")


def asks(outbox: Outbox, seen: list[str]) -> None:
    connection = ConnectionCore(asyncio.get_running_loop())
    connection.transport = Written(seen)  # type: ignore[assignment]  # a stand-in
    connection.ask(b"a")


def in_a_loop(act: Callable[[Outbox, list[str]], None], requests: int = 2) -> list[str]:
    """Do something in one round, then let the loop go on; returns what left in which order."""
    seen: list[str] = []

    async def run() -> None:
        outbox = outbox_of(asyncio.get_running_loop())
        outbox.requests = requests
        act(outbox, seen)
        seen.append("end of the work")
        await asyncio.sleep(0)

    asyncio.run(run())
    return seen


def test_writes_wait_for_the_end_of_the_round():
    def act(outbox: Outbox, seen: list[str]) -> None:
        outbox.post(Noted("a", seen))
        outbox.post(Noted("b", seen))

    assert in_a_loop(act) == ["end of the work", "a", "b"]


@pytest.mark.parametrize("act", [answers, asks])
def test_lone_request_waits_for_nobody(act: Callable[[Outbox, list[str]], None]):
    assert in_a_loop(act, requests=1) == ["a", "end of the work"]
    assert in_a_loop(act, requests=2) == ["end of the work", "a"]


def test_what_no_answer_need_wait_for_comes_after_all_of_them():
    def act(outbox: Outbox, seen: list[str]) -> None:
        outbox.post(Noted("a", seen))
        outbox.afterwards(lambda: seen.append("record of a"))
        outbox.post(Noted("b", seen))

    assert in_a_loop(act) == ["end of the work", "a", "b", "record of a"]


def test_trouble_of_one_connection_is_not_the_others(caplog):
    def fail() -> None:
        raise RuntimeError("telemetry")

    def act(outbox: Outbox, seen: list[str]) -> None:
        outbox.post(Noted("a", seen, fails=True))
        outbox.afterwards(fail)
        outbox.post(Noted("b", seen))
        outbox.afterwards(lambda: seen.append("record of b"))

    assert in_a_loop(act) == ["end of the work", "b", "record of b"]
    assert len(caplog.records) == 2


def test_a_loop_has_one_outbox():
    async def run() -> bool:
        loop = asyncio.get_running_loop()
        return outbox_of(loop) is outbox_of(loop)

    assert asyncio.run(run())
