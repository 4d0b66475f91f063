"""Several workers, each on a core of its own, and the supervisor that starts, replaces and ends them.

The supervisor binds the address and forks; it serves nothing itself, has no thread and no event loop, and
loads no model, so that a fork at any later time is as clean as the first. Between it and each worker is a
`ControlPipe`: the worker says that it is ready or why it cannot be, the supervisor says when to stop, and
what to serve by after a reload.
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
from .control_pipe import ControlPipe, Failed, Prepared, Ready, ReloadAsked, Stop
from .greeting import greeting
from .run import Options, StartError, command, set_up_process
from .signals import Signals
from .stopping import leave, stop_s
from .supervised_reload import Reloads
from .worker import work

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
    options: Options,
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

        def run_worker(number: int, pipe: ControlPipe, config: GatewayConfig) -> int:
            for other in {*sockets} - {sockets[number]}:
                other.close()
            os.close(wakes)
            return work(config, sockets[number], pipe, Share(folder, number), options)

        _load_what_all_need()

        def greet() -> None:
            say(greeting(config, listener.url, command(), options.docs_url(listener)))

        reloads = None if options.source is None else Reloads(options.source, config)
        supervisor = Supervisor(
            sockets, run_worker, greet, config, config.server.drain_timeout_s, reloads=reloads
        )
        supervisor.run(signals, wakes)


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
    pipe: ControlPipe
    started_s: float
    is_ready: bool = False
    failure: str | None = None
    told: int = 0


class Supervisor:
    """Keeps a worker in every place until it is told to stop.

    The first starts alone: what is wrong with the configuration is said once, and the first answer is as
    early as with one worker. `run_worker` is what a worker does, given its number, its end of the pipe and
    the configuration; it returns an exit code. `greet` is called when all are ready. Workers have `drain_s`
    seconds to end requests. Without `reloads` there is nothing to reload.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        run_worker: Callable[[int, ControlPipe, GatewayConfig], int],
        greet: Callable[[], None],
        config: GatewayConfig,
        drain_s: float = 30.0,
        *,
        reloads: Reloads | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sockets = sockets
        self._run_worker = run_worker
        self._greet = greet
        self._config = config
        self._drain_s = drain_s
        self._reloads = reloads
        self._clock_s = clock_s
        self._asked = 0
        self._kill_at_s = math.inf
        self._workers: dict[int, _Worker] = {}
        self._due_s = {0: clock_s()}
        """By place: when a worker is to be started there."""
        self._pauses = [Pauses() for _ in sockets]
        self._served: set[int] = set()
        """The places in which a worker was ready, be it dead by now."""
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
                self._reap(worker)
            if not asked:
                self._look_who_is_ready()
                self._reload(signals)
        if self._failure is not None:
            raise StartError(self._failure)

    def _start_due(self) -> None:
        if self._is_reloading:
            return  # it would begin with the configuration from before
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
            self._live(number, ControlPipe(theirs))
        theirs.close()
        return _Worker(number, pid, ControlPipe(ours), self._clock_s())

    def _live(self, number: int, pipe: ControlPipe) -> None:
        """Be a worker; never returns to what the supervisor was doing."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for worker in self._workers.values():
                worker.pipe.close()  # a pipe ends with the supervisor only if nobody else holds its end
            code = self._run_worker(number, pipe, self._config)
        except BaseException:
            _log.critical("a worker fails", exc_info=True)
        finally:
            leave(code)

    def _wait(self, wakes: int) -> None:
        """Wait until a worker says something, a signal comes, or the next worker is to be started."""
        poll = select.poll()
        poll.register(wakes, select.POLLIN)
        for worker in self._workers.values():
            if not worker.pipe.is_closed:
                poll.register(worker.pipe, select.POLLIN | select.POLLOUT * worker.pipe.has_unsent)
        if self._workers or self._due_s:
            due_s = self._next_due_s()
            poll.poll(None if due_s == math.inf else max(0.0, due_s - self._clock_s()) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(wakes, 4096)

    def _next_due_s(self) -> float:
        """Return when something is to be done that no message and no signal tells of."""
        if self._is_reloading and self._reloads is not None:
            return min(self._reloads.due_s, self._kill_at_s)
        return min((*self._due_s.values(), self._kill_at_s))

    @property
    def _is_reloading(self) -> bool:
        return self._reloads is not None and self._reloads.is_running

    def _hear(self, worker: _Worker) -> None:
        worker.pipe.flush()
        for message in worker.pipe.receive():
            match message:
                case Ready():
                    worker.is_ready = True
                case Failed(reason):
                    worker.failure = reason
                case ReloadAsked(ask, why) if self._reloads is not None:
                    self._reloads.ask(why, worker.number, ask)
                case Prepared() if self._reloads is not None:
                    self._reloads.prepared(worker.number, message)
                case _:
                    _log.error("worker %d said %s, which means nothing here", worker.number, type(message))

    def _reap(self, worker: _Worker) -> None:
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if not pid:
            return
        self._hear(worker)
        worker.pipe.close()
        del self._workers[worker.number]
        how = worker.failure or f"process {pid} {_how_it_ended(status)}"
        if self._reloads is not None:
            self._reloads.died(worker.number, how)
        if not worker.told:
            self._came_to_nothing(worker.number, self._clock_s() - worker.started_s, how)
        elif status:
            _log.error("worker %d did not stop in good order: %s", worker.number, how)

    def _reload(self, signals: Signals) -> None:
        """Begin and end reloads; not before all workers have been ready once."""
        if self._reloads is not None and len(self._served) == len(self._sockets):
            for _ in range(signals.take_hangups()):
                self._reloads.ask("SIGHUP")
            pipes = {number: worker.pipe for number, worker in self._workers.items()}
            self._config = self._reloads.go_on(pipes, self._clock_s())

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

    def _look_who_is_ready(self) -> None:
        places = len(self._sockets)
        if len(self._served) == places:
            return
        ready = [number for number, worker in self._workers.items() if worker.is_ready]
        if not self._served and ready:
            self._due_s = dict.fromkeys(range(1, places), self._clock_s())
        self._served.update(ready)
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
            if asked > worker.told:
                worker.pipe.send(Stop(asked))
                worker.told = asked
            if (asked > _HURRY and not worker.is_ready) or self._clock_s() >= self._kill_at_s:
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
