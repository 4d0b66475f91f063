"""The way between a worker and its supervisor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.server.control_pipe import (
    Abort,
    Commit,
    ControlPipe,
    Message,
    Prepare,
    Prepared,
    Ready,
    ReloadAsked,
    Reloaded,
    Stop,
)
from tollway.gateway.server.worker import Link
from tollway.gateway.serving import PrepareError

WAIT_S = 20.0

Ends = tuple[ControlPipe, ControlPipe]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The supervisor's end and the worker's."""
    supervisor, worker = (ControlPipe(end) for end in socket.socketpair())
    yield supervisor, worker
    supervisor.close()
    worker.close()


def heard(ends: Ends, *said: Message | None) -> list[int]:
    """Return what a worker is told when its supervisor says this; None is the supervisor's death."""
    supervisor, worker = ends
    told: list[int] = []

    async def listen() -> None:
        link = Link(worker)
        link.tell = told.append
        link.ready()
        assert [Ready()] == list(supervisor.receive())
        for message in said:
            supervisor.close() if message is None else supervisor.send(message)
            for _ in range(3):  # rounds of the loop: what is there to hear is heard in one
                await asyncio.sleep(0)
        assert (None in said) == link.is_orphan

    asyncio.run(listen())
    return told


def test_each_stop_is_told_with_its_number(ends: Ends):
    """Also those that one message tells of together."""
    assert [1, 2, 3] == heard(ends, Stop(1), Stop(3))


def test_a_supervisor_that_is_gone_asks_for_the_end(ends: Ends):
    assert [1] == heard(ends, None)


def test_a_supervisor_that_goes_after_it_said_stop_hurries_nobody(ends: Ends):
    """A drain goes on to its end."""
    assert [1] == heard(ends, Stop(1), None)


def test_what_was_said_while_models_loaded_is_noticed(ends: Ends):
    """A stop, and the supervisor's death: then the worker does not begin to serve. A reload waits."""
    supervisor, worker = ends
    link = Link(worker)
    assert link.is_quiet()
    supervisor.send(Abort())
    assert link.is_quiet()
    supervisor.send(Stop(1))
    assert not link.is_quiet()
    assert not link.is_orphan
    supervisor.close()
    assert not link.is_quiet()
    assert link.is_orphan


class Standby:
    """Notes what it is asked to do, and can do it when it may."""

    def __init__(self, error: Exception | None = None) -> None:
        self.done: list[Any] = []
        self.error = error
        self.may = asyncio.Event()
        self.committed = asyncio.Event()

    async def prepare(self, config: GatewayConfig) -> None:
        await self.may.wait()
        self.done.append("prepared")
        if self.error is not None:
            raise self.error

    def commit(self) -> None:
        self.done.append("committed")
        self.committed.set()

    async def abort(self) -> None:
        self.done.append("aborted")


async def answer(pipe: ControlPipe) -> Message:
    """Wait for what a worker says."""
    async with asyncio.timeout(WAIT_S):
        while True:
            for message in pipe.receive():
                return message
            await asyncio.sleep(0.001)


CONFIG = GatewayConfig(endpoints=())


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (None, None),
        (PrepareError("no model"), "no model"),
        (ZeroDivisionError("sk-secret"), "it could not be prepared; the log says why"),
    ],
)
def test_a_configuration_is_prepared_and_committed(ends: Ends, error: Exception | None, problem: str | None):
    """What a fault says is for the log alone."""
    supervisor, worker = ends

    async def main() -> None:
        link = Link(worker)
        link.standby = standby = Standby(error)  # type: ignore[assignment]  # a stand-in
        link.ready()
        assert Ready() == await answer(supervisor)
        supervisor.send(Prepare(4, CONFIG))
        standby.may.set()
        assert Prepared(4, problem) == await answer(supervisor)
        supervisor.send(Commit())
        async with asyncio.timeout(WAIT_S):
            await standby.committed.wait()
        assert ["prepared", "committed"] == standby.done

    asyncio.run(main())


def test_what_is_given_up_is_thrown_away_before_the_next_is_prepared(ends: Ends):
    """A supervisor that waited long enough goes on; the worker does one thing after the other."""
    supervisor, worker = ends

    async def main() -> None:
        link = Link(worker)
        link.standby = standby = Standby()  # type: ignore[assignment]  # a stand-in
        link.ready()
        assert Ready() == await answer(supervisor)
        for message in (Prepare(1, CONFIG), Abort(), Prepare(2, CONFIG)):
            supervisor.send(message)
        await asyncio.sleep(0)
        standby.may.set()
        assert Prepared(1) == await answer(supervisor)
        assert Prepared(2) == await answer(supervisor)
        assert ["prepared", "aborted", "prepared"] == standby.done

    asyncio.run(main())


def test_a_worker_that_asks_for_a_reload_hears_what_came_of_it(ends: Ends):
    """Each who asks is answered; the worker counts what it is to count, and no more."""
    supervisor, worker = ends
    result = ReloadResult("applied", ("endpoint 'a' added",))

    async def main() -> None:
        link = Link(worker)
        counted: list[str] = []
        link.counted = counted.append
        link.ready()
        assert Ready() == await answer(supervisor)
        asked = [asyncio.ensure_future(link.reload(f"why {number}")) for number in range(2)]
        for number in range(2):
            assert ReloadAsked(number + 1, f"why {number}") == await answer(supervisor)
        supervisor.send(Reloaded(result, (1,), counts=True))
        supervisor.send(Reloaded(result, (2,), counts=False))
        assert [result, result] == await asyncio.wait_for(asyncio.gather(*asked), WAIT_S)
        assert ["applied"] == counted

    asyncio.run(main())
