"""Messages between supervisor and workers arrive whole, in their order, however the bytes come."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.problems import Problem
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.server.control_pipe import (
    Abort,
    Commit,
    ControlPipe,
    Failed,
    Message,
    Prepare,
    Prepared,
    Ready,
    ReloadAsked,
    Reloaded,
    Stop,
)

MODEL = {"provider": "openai", "name": "m", "config": {"openai_api_key": "k", "timeout": [1, {"a": None}]}}
CONFIG = GatewayConfig(endpoints=[{"name": "a", "endpoint_type": "llm/v1/chat", "model": MODEL}])

MESSAGES: list[Message] = [
    Ready(),
    Failed("no model\nat all"),
    Stop(2),
    ReloadAsked(7, "SIGHUP"),
    Prepare(3, CONFIG),
    Prepared(3, "no"),
    Commit(),
    Abort(),
    Reloaded(ReloadResult("refused", problems=(Problem(1, "a", "b", "c"),)), (1, 2), counts=True),
]


@pytest.fixture
def ends() -> Iterator[tuple[ControlPipe, ControlPipe]]:
    one, other = (ControlPipe(end) for end in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_every_message_arrives_as_it_was(ends):
    one, other = ends
    for message in MESSAGES:
        one.send(message)
    assert MESSAGES == list(other.receive())
    assert not other.is_closed


def test_a_message_waits_for_its_last_byte():
    """A frame may be cut anywhere."""
    ours, theirs = socket.socketpair()
    sender, receiver = socket.socketpair()
    with ours, theirs, sender, receiver:
        ControlPipe(sender).send(MESSAGES[4])
        data = receiver.recv(65_536)
        pipe = ControlPipe(theirs)
        for at in range(len(data) - 1):
            ours.sendall(data[at : at + 1])
            assert [] == list(pipe.receive())
        ours.sendall(data[-1:] + data)
        assert [MESSAGES[4]] * 2 == list(pipe.receive())


def test_what_the_other_end_does_not_read_is_kept(ends):
    """However much it is: nobody waits for a worker that hangs."""
    one, other = ends
    large = Failed("x" * 5_000_000)
    one.send(large)
    one.send(Ready())
    assert one.has_unsent
    arrived: list[Message] = []
    while one.has_unsent:
        arrived += other.receive()
        one.flush()
    arrived += other.receive()
    assert [large, Ready()] == arrived


def test_the_end_is_noticed_after_what_was_said(ends):
    one, other = ends
    one.send(Ready())
    one.close()
    assert [Ready()] == list(other.receive())
    assert other.is_closed
    other.send(Ready())  # nobody hears it
    assert not other.has_unsent
