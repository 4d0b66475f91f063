"""What the supervisor and its workers say to each other, over a pair of sockets that nobody else has.

A frame is a length of four bytes, big endian, and a pickled message: both ends are one program, forked.
"""

from __future__ import annotations

import pickle
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.values import GatewayConfig

_LENGTH = struct.Struct(">I")

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it takes connections."""


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: it cannot start."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: stop, as asked so many times by now."""

    times: int


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """From a worker: somebody asks it to reload the configuration; `ask` is the worker's number for that."""

    ask: int
    why: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """To a worker: make this configuration ready, and say so. `number` counts reloads."""

    number: int
    config: GatewayConfig


@dataclass(frozen=True, slots=True)
class Prepared:
    """From a worker: it can serve by the configuration of this reload; `problem` says why it cannot."""

    number: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """To a worker: serve by what was prepared."""


@dataclass(frozen=True, slots=True)
class Abort:
    """To a worker: throw away what was prepared."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """To a worker: what became of a reload; `asks` are those of its own, and one worker counts it."""

    result: ReloadResult
    asks: tuple[int, ...]
    counts: bool


Message = Ready | Failed | Stop | ReloadAsked | Prepare | Prepared | Commit | Abort | Reloaded


class ControlPipe:
    """One end. Nothing here waits: what cannot be sent yet is sent by the next `flush`."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._received = bytearray()
        self._unsent = bytearray()
        self.is_closed = False
        """Whether the other end is gone; what it had said before can still be received."""

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._end.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` is to be called when the other end has read on."""
        return bool(self._unsent) and not self.is_closed

    def send(self, message: Message) -> None:
        """Send a message, now or by a later `flush`."""
        data = pickle.dumps(message)
        self._unsent += _LENGTH.pack(len(data)) + data
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        try:
            while self._unsent:
                del self._unsent[: self._end.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # `receive` finds out that the other end is gone

    def receive(self) -> Iterator[Message]:
        """Yield the messages that are there whole."""
        self._read()
        received = self._received
        while len(received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
            if len(received) < end:
                return
            message: Message = pickle.loads(received[_LENGTH.size : end])  # noqa: S301 - see above
            del received[:end]
            yield message

    def close(self) -> None:
        """Let go of this end."""
        self._end.close()

    def _read(self) -> None:
        try:
            while data := self._end.recv(_READ_BYTES):
                self._received += data
            self.is_closed = True
        except BlockingIOError:
            return
        except OSError:
            self.is_closed = True
