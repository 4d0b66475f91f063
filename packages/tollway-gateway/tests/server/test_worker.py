"""The line between a worker and its parent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from tollway.gateway.server.worker import LISTENS, STOP, Line

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """The parent's end and the worker's."""
    parent, worker = socket.socketpair()
    with parent, worker:
        yield parent, worker


def heard(ends: Ends, *said: bytes | None) -> list[int]:
    """Return what a worker is told when its parent says this; None is the parent's death."""
    parent, worker = ends

    told: list[int] = []

    async def listen() -> None:
        line = Line(worker)
        line.tell = told.append
        line.listens()
        assert LISTENS == parent.recv(1)
        for words in said:
            parent.close() if words is None else parent.send(words)
            for _ in range(3):  # rounds of the loop: what is there to hear is heard in one
                await asyncio.sleep(0)
        assert (None in said) == line.is_orphan

    asyncio.run(listen())
    return told


def test_each_stop_is_told_with_its_number(ends: Ends):
    assert [1, 2, 3] == heard(ends, STOP * 3)


def test_a_parent_that_is_gone_asks_for_the_end(ends: Ends):
    assert [1] == heard(ends, None)


def test_a_parent_that_goes_after_it_said_stop_hurries_nobody(ends: Ends):
    """A drain goes on to its end."""
    assert [1] == heard(ends, STOP, None)


def test_what_was_said_while_models_loaded_is_noticed(ends: Ends):
    """Then the worker does not begin to serve; what is noticed is not taken away."""
    parent, worker = ends
    line = Line(worker)
    assert line.is_quiet()
    parent.send(STOP)
    assert not line.is_quiet()
    assert not line.is_orphan
    assert STOP == worker.recv(1)
    parent.close()
    assert not line.is_quiet()
    assert line.is_orphan
