"""Asking for answers without waiting for them on the event loop: in threads here, or of another process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol

from .answers import Answers
from .reading import FAILED, answered
from .reasons import Policy

MAX_ASKED = 4
"""Questions that are under way at the same time; others wait their turn."""

MAX_WAITING = 64
"""Questions that wait for their turn; any more are answered 503 with `Retry-After`."""

Answered = tuple[str, bytes]
"""One of `reading`'s kinds, and the body."""


class BusyError(Exception):
    """Too many pages ask at the same time."""


class Asker(Protocol):
    """Where answers come from."""

    async def ask(self, what: str, **arguments: Any) -> Answered:
        """Return an answer. Raises BusyError."""


class _Turns:
    """Lets a few questions through at a time."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(MAX_ASKED)
        self._waiting = 0

    async def __aenter__(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


class InThreads:
    """Answers in threads of this process: for `tollway traces ui`, which does nothing else."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._turns = _Turns()

    async def ask(self, what: str, **arguments: Any) -> Answered:
        """See `Asker`."""
        async with self._turns:
            return await asyncio.to_thread(answered, self._answers, what, arguments)


class InProcess:
    """Answers of a process that reads one store, started at the first question, and again if it died."""

    def __init__(self, store: str, policy: Policy) -> None:
        self._settings = json.dumps({"store": store, "policy": dict(policy)})
        self._turns = _Turns()
        self._child: _Child | None = None

    async def ask(self, what: str, **arguments: Any) -> Answered:
        """See `Asker`."""
        async with self._turns:
            return await asyncio.wrap_future(self._live().ask(what, arguments))

    def _live(self) -> _Child:
        if self._child is None or self._child.has_ended:
            self._child = _Child(self._settings)
            weakref.finalize(self, self._child.close)
        return self._child


class _Child:
    """The process, and a thread that reads what it answers."""

    def __init__(self, settings: str) -> None:
        command = [sys.executable, "-m", "tollway.gateway.pages.reading", settings]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._waiting: dict[int, Future[Answered]] = {}
        self._asked = 0
        self._lock = threading.Lock()
        self.has_ended = False
        self.reader = threading.Thread(target=self._read, name="tollway-pages", daemon=True)
        self.reader.start()

    def ask(self, what: str, arguments: Mapping[str, Any]) -> Future[Answered]:
        """Return what will have the answer; that of a process that died is one that failed."""
        future: Future[Answered] = Future()
        with self._lock:
            self._asked += 1
            self._waiting[self._asked] = future
            line = json.dumps({"id": self._asked, "what": what, "arguments": arguments}) + "\n"
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
            except (OSError, ValueError):  # it has ended, or its input is closed
                self._end()
        return future

    def close(self) -> None:
        """Let the process end."""
        with self._lock, suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _read(self) -> None:
        out = self._process.stdout
        assert out is not None
        for line in out:
            number, kind, size = line.split()
            body = out.read(int(size))
            with self._lock:
                future = self._waiting.pop(int(number), None)
            if future is not None and future.set_running_or_notify_cancel():
                future.set_result((kind.decode(), body))
        out.close()
        self._process.wait()
        self.close()
        with self._lock:
            self._end()

    def _end(self) -> None:
        self.has_ended = True
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if future.set_running_or_notify_cancel():
                future.set_result((FAILED, b'{"message":"the reader of the store ended","hint":"ask again"}'))
