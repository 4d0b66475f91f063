"""One line of JSON for every request; a layer that is there only when it is asked for.

A request pays for a few values in a queue. Lines are made of them later, by `log_writer`'s thread.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from tollway.gateway.pipeline.exchange import Exchange, exchange_of
from tollway.gateway.pipeline.malformed import MalformedRequest, observe

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]

_PATH_CHARACTERS = 500
"""What is logged of a path: a line stays shorter than 4 KiB, however its characters must be written."""


Answered = tuple[float, float, str | None, str | None, str | None, int | None, int, str | None, str | None]
"""What is logged of a request: time_s, took_s, client, method, path, status, bytes, trace_id, key."""


class AccessLog:
    """Tells `put` of every request what was asked, how it was answered, and how long that took.

    The query is left out: callers put keys there. What is logged of the answer our own server tells, so the
    layer is of use with no other server; `clock_s` is that server's clock.
    """

    def __init__(
        self,
        app: ASGIApp,
        put: Callable[[Answered], object],
        *,
        now_s: Callable[[], float] = time.time,
        clock_s: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._put = put
        self._now_s = now_s
        self._clock_s = clock_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve, and tell of it once its answer is written."""
        exchange = exchange_of(scope)
        if exchange is None:  # the lifespan
            if scope["type"] == "lifespan":
                observe(scope, self._note_malformed)
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            exchange.when_sent(lambda: self._note(scope, exchange))

    def _note(self, scope: Message, exchange: Exchange) -> None:
        """Tell of a request whose answer is written."""
        took_s = self._clock_s() - exchange.received_s
        client = scope["client"]
        self._put(
            (
                self._now_s() - took_s,
                took_s,
                client[0] if client else None,
                scope["method"],
                _shortened(scope["path"]),
                exchange.status,
                exchange.body_bytes,
                exchange.trace_id,
                exchange.caller,
            )
        )

    def _note_malformed(self, request: MalformedRequest) -> None:
        """Tell of a request that no application saw."""
        self._put(
            (
                self._now_s() - request.took_s,
                request.took_s,
                request.client,
                request.method,
                None if request.path is None else _shortened(request.path),
                request.status,
                request.body_bytes,
                None,
                None,
            )
        )


def _shortened(path: str) -> str:
    return path if len(path) <= _PATH_CHARACTERS else path[: _PATH_CHARACTERS - 1] + "…"


def lines_of(requests: Sequence[Answered]) -> bytes:
    """Return a line of JSON for each.

    One call encodes all of them, at a third of the price of a call for each. What then stands between two
    lines is never inside of one: a quote there has a backslash before it, or ends a string, and no name
    follows that.
    """
    lines = [
        {
            "time": _time(time_s),
            "client": client,
            "method": method,
            "path": path,
            "status": status,
            "bytes": sent_bytes,
            "duration_ms": round(took_s * 1000, 3),
            "trace_id": trace_id,
            "key": key,
        }
        for time_s, took_s, client, method, path, status, sent_bytes, trace_id, key in requests
    ]
    return orjson.dumps(lines)[1:-1].replace(b'},{"time":', b'}\n{"time":') + b"\n"


def missing_line(lines: int, now_s: Callable[[], float] = time.time) -> bytes:
    """Return the line that tells how many are missing before it."""
    return orjson.dumps({"time": _time(now_s()), "missing_lines": lines}, option=orjson.OPT_APPEND_NEWLINE)


def _time(time_s: float) -> str:
    second = int(time_s)
    return f"{_second(second)}.{int((time_s - second) * 1000):03d}+00:00"


@lru_cache(maxsize=4)
def _second(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
