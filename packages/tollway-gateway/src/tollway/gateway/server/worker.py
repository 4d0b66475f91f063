"""One of several workers: serves as a gateway alone does, but the supervisor says when to stop or reload."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from collections.abc import Callable, Coroutine
from itertools import count
from socket import socket
from types import FrameType
from typing import Any

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Share
from tollway.gateway.serving import PrepareError, Standby

from .address import AddressError
from .control_pipe import (
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
from .run import Options, StartError, prepared, run
from .stopping import StopDeadline

_log = logging.getLogger(__name__)


class Link:
    """A worker's way to the supervisor. When that is gone, this too asks for the end."""

    def __init__(self, pipe: ControlPipe) -> None:
        self._pipe = pipe
        self._asked = 0
        self.tell: Callable[[int], None] = lambda _: None
        """Told how often the supervisor said that this is to stop, each time it does."""
        self.is_orphan = False
        self.standby: Standby | None = None
        """What reloads; None where nothing can be reloaded."""
        self.counted: Callable[[str], None] = lambda _: None
        """Told the result of a reload that this worker is to count."""
        self._early: list[Message] = []
        self._asks = count(1)
        self._answers: dict[int, asyncio.Future[ReloadResult]] = {}
        self._work: asyncio.Task[None] | None = None
        """What is done for the supervisor, one thing after the other."""
        self._is_writing = False

    def is_quiet(self) -> bool:
        """Say whether the supervisor is there and has not said that this is to stop."""
        self._early += self._pipe.receive()
        self.is_orphan = self._pipe.is_closed
        return not self.is_orphan and not any(isinstance(message, Stop) for message in self._early)

    def ready(self) -> None:
        """Say that connections are taken, and hear from now on what is said; for the event loop."""
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._hear)
        self._send(Ready())
        self._hear()

    def fail(self, reason: str) -> None:
        """Say that there will be no connections."""
        self._pipe.send(Failed(reason))

    async def reload(self, why: str) -> ReloadResult:
        """Have all workers reload the configuration, and return what came of it."""
        ask = next(self._asks)
        answer = self._answers[ask] = asyncio.get_running_loop().create_future()
        self._send(ReloadAsked(ask, why))
        try:
            result: ReloadResult = await answer
            return result
        finally:
            self._answers.pop(ask, None)

    def _hear(self) -> None:
        early, self._early = self._early, []
        for message in (*early, *self._pipe.receive()):
            self._take(message)
        if self._pipe.is_closed and not self.is_orphan:
            self.is_orphan = True
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            if not self._asked:
                self._stop(1)

    def _take(self, message: Message) -> None:
        match message:
            case Stop(times):
                self._stop(times)
            case Prepare(number, config):
                self._then(self._prepare(number, config))
            case Commit() if self.standby is not None:
                self.standby.commit()
            case Abort() if self.standby is not None:
                self._then(self.standby.abort())
            case Reloaded(result, asks, counts):
                if counts:
                    self.counted(result.result)
                for ask in asks:
                    if (answer := self._answers.get(ask)) is not None and not answer.done():
                        answer.set_result(result)
            case _:
                _log.error("the supervisor said %s, which means nothing here", type(message))

    def _stop(self, times: int) -> None:
        for asked in range(self._asked + 1, times + 1):
            self._asked = asked
            self.tell(asked)

    def _then(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something when what was to be done before is done."""
        before = self._work

        async def do() -> None:
            if before is not None:
                await asyncio.wait([before])
            await work

        self._work = asyncio.get_running_loop().create_task(do())

    async def _prepare(self, number: int, config: GatewayConfig) -> None:
        problem = None
        try:
            if self.standby is not None:
                await self.standby.prepare(config)
        except PrepareError as error:
            problem = str(error)
        except Exception:
            _log.exception("a configuration could not be prepared")
            problem = "it could not be prepared; the log says why"
        self._send(Prepared(number, problem))

    def _send(self, message: Message) -> None:
        self._pipe.send(message)
        if self._pipe.has_unsent and not self._is_writing:
            self._is_writing = True
            asyncio.get_running_loop().add_writer(self._pipe.fileno(), self._flush)

    def _flush(self) -> None:
        self._pipe.flush()
        if not self._pipe.has_unsent:
            self._is_writing = False
            asyncio.get_running_loop().remove_writer(self._pipe.fileno())


def work(config: GatewayConfig, listening: socket, pipe: ControlPipe, share: Share, options: Options) -> int:
    """Serve until the supervisor says to stop, or is no more; returns the process's exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A terminal and systemd send them to all processes, and two would be one too many.
        signal.signal(number, _leave_to_supervisor)
    link = Link(pipe)
    deadline = StopDeadline(config.server.drain_timeout_s)

    def stop(asked: int) -> None:
        deadline.asked(asked)
        server.stop(asked)

    def started() -> None:
        link.ready()
        if share.worker == 0:
            options.watch(link.reload)

    try:
        with prepared(config, listening, started, deadline, share=share, options=options) as server:
            lifetime = server.gateway.lifetime
            if options.source is not None:
                lifetime.reload = link.reload
                link.standby = lifetime.standby
                link.counted = server.gateway.metrics.reloaded
            link.tell = stop
            if link.is_quiet():  # while models were loaded
                run(server, listening, options.admin)
    except (StartError, AddressError) as error:
        link.fail(str(error))
        return 1
    if link.is_orphan:
        _log.error("the supervisor of this worker is gone, so it ended")
        shutil.rmtree(share.folder, ignore_errors=True)
    return 0


def _leave_to_supervisor(number: int, frame: FrameType | None) -> None:
    pass
