"""Threads that never keep the process from ending.

The interpreter waits at its end for every thread of a `ThreadPoolExecutor`, so one that hangs keeps it alive
for ever. Daemon threads are left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DaemonThreads:
    """Runs functions in daemon threads: as many as run at the same time; idle ones are used again.

    It has no bound of its own: its users bound how much they submit.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._started = 0

    def submit(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run a function in a thread of its own; the future may be cancelled until it runs."""
        future: Future[_T] = Future()
        self._work.put(lambda: _run(future, lambda: function(*args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            self._started += 1
            Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def close(self) -> None:
        """Let every thread end once it is idle; none is waited for."""
        for _ in range(self._started):
            self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # an idle thread must not keep alive what it ran
            self._idle.release()


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
