"""One line of JSON on standard output for every request; a layer that is there only when it is asked for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

_TRACE_ID = b"x-tollway-trace-id"


class AccessLog:
    """Writes of every request what was asked, how it was answered, and how long that took.

    The query is left out: callers put keys there.
    """

    def __init__(
        self,
        app: ASGIApp,
        write: Callable[[bytes], object],
        *,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._write = write
        self._now_s = now_s
        self._clock_s = clock_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve, and write the line once the answer is out."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s, time_s = self._clock_s(), self._now_s()
        seen = _Seen(send)
        try:
            await self._app(scope, receive, seen)
        finally:
            self._write(self._line(scope, seen, time_s, self._clock_s() - started_s))

    def _line(self, scope: Message, seen: _Seen, time_s: float, took_s: float) -> bytes:
        client = scope.get("client")
        line = {
            "time": datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds"),
            "client": client[0] if client else None,
            "method": scope["method"],
            "path": scope["path"],
            "status": seen.status,
            "bytes": seen.bytes,
            "duration_ms": round(took_s * 1000, 3),
            "trace_id": seen.trace_id,
        }
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class _Seen:
    """Looks at an answer in passing; `status` stays None when none was sent."""

    __slots__ = ("_send", "bytes", "status", "trace_id")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.bytes = 0
        self.trace_id: str | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            for name, value in message.get("headers", ()):
                if name == _TRACE_ID:
                    self.trace_id = value.decode("latin-1")
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)
