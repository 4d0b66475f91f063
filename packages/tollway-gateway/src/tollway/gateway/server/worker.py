"""One of several workers: serves as a gateway alone does, but is told by its parent when to stop."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import socket
from collections.abc import Callable
from types import FrameType

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Share

from .address import AddressError
from .run import StartError, prepared, run
from .stopping import StopDeadline

_log = logging.getLogger(__name__)

LISTENS = b"L"
"""What a worker says once it takes connections."""

FAILS = b"F"
"""What it says when it cannot start, with the reason behind it."""

STOP = b"S"
"""What its parent says, once for each signal that it got."""


class Line:
    """The worker's end of the line to its parent. When the parent is gone, that too asks for the end."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._asked = 0
        self.tell: Callable[[int], None] = lambda _: None
        """Told how often the parent said that this is to stop, each time it does."""
        self.is_orphan = False

    def is_quiet(self) -> bool:
        """Say whether the parent is there and has not said anything yet."""
        try:
            self.is_orphan = not self._end.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        return False

    def listens(self) -> None:
        """Say that connections are taken, and hear from now on what the parent says; for the event loop."""
        asyncio.get_running_loop().add_reader(self._end, self._hear)
        self._end.send(LISTENS)

    def fails(self, reason: str) -> None:
        """Say that there will be no connections."""
        self._end.sendall(FAILS + reason.encode())

    def _hear(self) -> None:
        said = self._end.recv(16)
        if not said:
            self.is_orphan = True
            asyncio.get_running_loop().remove_reader(self._end)
            said = b"" if self._asked else STOP
        for _ in said:
            self._asked += 1
            self.tell(self._asked)


def work(
    config: GatewayConfig, listening: socket.socket, end: socket.socket, share: Share, *, access_log: bool
) -> int:
    """Serve until the parent says to stop, or is no more; returns the process's exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A terminal and systemd send them to parent and workers both, and two would be one too many.
        signal.signal(number, _leave_to_parent)
    line = Line(end)
    deadline = StopDeadline(config.server.drain_timeout_s)

    def stop(asked: int) -> None:
        deadline.asked(asked)
        server.stop(asked)

    try:
        with prepared(
            config, listening, line.listens, deadline, share=share, access_log=access_log
        ) as server:
            line.tell = stop
            if line.is_quiet():  # while models were loaded
                run(server, listening)
    except (StartError, AddressError) as error:
        line.fails(str(error))
        return 1
    if line.is_orphan:
        _log.error("the parent of this worker is gone, so it ended")
        shutil.rmtree(share.folder, ignore_errors=True)
    return 0


def _leave_to_parent(number: int, frame: FrameType | None) -> None:
    pass
