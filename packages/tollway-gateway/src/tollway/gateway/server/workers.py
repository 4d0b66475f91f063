"""Several workers, each on a core of its own, and the parent that starts them, replaces them and ends them.

The parent binds the address and forks; it serves nothing itself, has no thread and no event loop, and loads
no model, so that a fork at any later time is as clean as the first. Between it and each worker is a line
(`worker.Line`): the worker says that it listens or why it cannot, the parent says when to stop.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import math
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Share

from .address import SPREADS, Listener, spread, stop_listening
from .greeting import greeting
from .run import StartError, command, set_up_process
from .signals import Signals
from .stopping import leave, stop_s
from .worker import FAILS, LISTENS, STOP, work

_log = logging.getLogger(__name__)

_HURRY = 2
"""Signals after which a worker that still loads its models is no longer waited for."""

_KILL_AFTER_S = 1.0
"""How long after its time a worker is killed that cannot even end itself: its event loop hangs, say."""

_STEADY_S = 60.0
"""Who lived so long and dies does not die at every start."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


def serve_by_workers(
    config: GatewayConfig,
    listener: Listener,
    say: Callable[[str], None],
    *,
    workers: int,
    access_log: bool = False,
) -> None:
    """Serve by several processes until a signal; returns when all of them have ended.

    Raises:
        StartError: a worker could not start, before all of them had.
        AddressError: another process got the address a moment ago.
    """
    set_up_process()
    with (
        spread(listener, workers) as sockets,
        _shared_folder() as folder,
        Signals() as signals,
        _woken() as wakes,
    ):
        signals.tell = lambda _: None  # the loop below looks at their number

        def become(number: int, end: socket.socket) -> int:
            for other in {*sockets} - {sockets[number]}:
                other.close()
            os.close(wakes)
            return work(config, sockets[number], end, Share(folder, number), access_log=access_log)

        _load_what_all_need()
        drain_s = config.server.drain_timeout_s
        parent = Parent(sockets, become, lambda: say(greeting(config, listener.url, command())), drain_s)
        parent.run(signals, wakes)


class Pauses:
    """How long the place of a dead worker stays empty: not at all, and longer if it dies again and again."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def after(self, lived_s: float) -> float:
        """Return the pause after a worker that lived so long, in seconds."""
        pause_s = 0.0 if lived_s >= _STEADY_S else self._next_s
        self._next_s = min(max(_FIRST_PAUSE_S, pause_s * 2), _LONGEST_PAUSE_S)
        return pause_s


@dataclass(slots=True, eq=False)
class _Worker:
    """A process that was forked and not yet found dead; `told` counts how often it was told to stop."""

    number: int
    pid: int
    line: socket.socket
    started_s: float
    said: bytes = b""
    hung_up: bool = False
    told: int = 0


class Parent:
    """Keeps a worker in every place until it is told to stop.

    The first starts alone: what is wrong with the configuration is said once, and the first answer is as
    early as with one worker. `become` is what a worker does, given its number and its end of the line; it
    returns an exit code. `greet` is called when all listen. Workers have `drain_s` seconds to end requests.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        become: Callable[[int, socket.socket], int],
        greet: Callable[[], None],
        drain_s: float = 30.0,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._become = become
        self._greet = greet
        self._drain_s = drain_s
        self._clock_s = clock_s
        self._asked = 0
        self._kill_at_s = math.inf
        self._workers: dict[int, _Worker] = {}
        self._due_s = {0: clock_s()}
        """By place: when a worker is to be started there."""
        self._pauses = [Pauses() for _ in sockets]
        self._served: set[int] = set()
        """The places in which a worker listened, be it dead by now."""
        self._failure: str | None = None

    def run(self, signals: Signals, wakes: int) -> None:
        """Start, replace and stop workers; `wakes` can be read when a signal came. Raises StartError."""
        while self._workers or self._due_s:
            asked = signals.count or int(self._failure is not None)
            if asked:
                self._stop(asked)
            self._start_due()
            self._wait(wakes)
            for worker in list(self._workers.values()):
                self._hear(worker)
                self._bury_if_dead(worker)
            if not asked:
                self._look_who_listens()
        if self._failure is not None:
            raise StartError(self._failure)

    def _start_due(self) -> None:
        now_s = self._clock_s()
        for number in [number for number, due_s in self._due_s.items() if due_s <= now_s]:
            del self._due_s[number]
            try:
                self._workers[number] = self._fork(number)
            except OSError as error:
                self._came_to_nothing(number, 0.0, f"no process could be started: {error.strerror}")

    def _fork(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # or what waits in them is written by both
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid == 0:
            ours.close()
            self._live(number, theirs)
        theirs.close()
        ours.setblocking(False)
        return _Worker(number, pid, ours, self._clock_s())

    def _live(self, number: int, line: socket.socket) -> None:
        """Be a worker; never returns to what the parent was doing."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for worker in self._workers.values():
                worker.line.close()  # a line ends with its parent only if nobody else holds its end
            code = self._become(number, line)
        except BaseException:
            _log.critical("a worker fails", exc_info=True)
        finally:
            leave(code)

    def _wait(self, wakes: int) -> None:
        """Wait until a worker says something, a signal comes, or the next worker is to be started."""
        poll = select.poll()
        poll.register(wakes, select.POLLIN)
        for worker in self._workers.values():
            if not worker.hung_up:
                poll.register(worker.line, select.POLLIN)
        if self._workers or self._due_s:
            due_s = min((*self._due_s.values(), self._kill_at_s))
            poll.poll(None if due_s == math.inf else max(0.0, due_s - self._clock_s()) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(wakes, 4096)

    def _hear(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError):
            while not worker.hung_up:
                said = worker.line.recv(4096)
                worker.said += said
                worker.hung_up = not said

    def _bury_if_dead(self, worker: _Worker) -> None:
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if not pid:
            return
        self._hear(worker)
        worker.line.close()
        del self._workers[worker.number]
        _, mark, reason = worker.said.partition(FAILS)
        how = reason.decode() if mark else f"process {pid} {_how_it_ended(status)}"
        if not worker.told:
            self._came_to_nothing(worker.number, self._clock_s() - worker.started_s, how)
        elif status:
            _log.error("worker %d did not stop in good order: %s", worker.number, how)

    def _came_to_nothing(self, number: int, lived_s: float, how: str) -> None:
        """Start another in its place, or give up if there was never one."""
        if number not in self._served:
            self._failure = self._failure or how
            return
        pause_s = self._pauses[number].after(lived_s)
        when = f"in {pause_s:g} s" if pause_s else "now"
        self._due_s[number] = self._clock_s() + pause_s
        if pause_s and SPREADS:
            stop_listening(self._sockets[number])  # what would wait in its queue goes to the others
        _log.error("worker %d is replaced %s: %s", number, when, how)

    def _look_who_listens(self) -> None:
        places = len(self._sockets)
        if len(self._served) == places:
            return
        if not self._served and any(worker.said == LISTENS for worker in self._workers.values()):
            self._due_s = dict.fromkeys(range(1, places), self._clock_s())
        self._served.update(number for number, worker in self._workers.items() if worker.said == LISTENS)
        if len(self._served) == places:
            self._greet()

    def _stop(self, asked: int) -> None:
        if asked > self._asked:
            self._asked = asked
            latest_s = self._clock_s() + stop_s(asked, self._drain_s) + _KILL_AFTER_S
            self._kill_at_s = min(self._kill_at_s, latest_s)
        self._due_s.clear()
        for listening in self._sockets:
            listening.close()  # a connection must not wait where nobody takes it
        for worker in self._workers.values():
            with contextlib.suppress(OSError):  # it is dead already
                if asked > worker.told:
                    worker.line.send(STOP * (asked - worker.told))
            worker.told = max(worker.told, asked)
            if (asked > _HURRY and not worker.said) or self._clock_s() >= self._kill_at_s:
                os.kill(worker.pid, signal.SIGKILL)


def _how_it_ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _load_what_all_need() -> None:
    """Import what every worker imports: they have it in common, and a replacement is there at once."""
    from tollway import tracing  # noqa: F401

    gc.collect()
    gc.freeze()  # the collector would write to memory that is shared only as long as nobody does


@contextlib.contextmanager
def _shared_folder() -> Iterator[str]:
    """Give a folder for what the workers share, in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - the name is made up by mkdtemp
    place = memory if os.access(memory, os.W_OK) else None
    try:
        folder = tempfile.mkdtemp(prefix="tollway-", dir=place)
    except OSError as error:
        raise StartError(f"workers need a folder to share, and none can be made: {error}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _woken() -> Iterator[int]:
    """Give a descriptor that can be read when a signal came, the death of a child among them."""
    wakes, woken = os.pipe()
    for end in (wakes, woken):
        os.set_blocking(end, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    try:
        yield wakes
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, before)
        os.close(wakes)
        os.close(woken)
