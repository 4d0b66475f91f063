"""The access log: a line of JSON a request, with nothing in it that should not be kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tollway.gateway.server.access_log import AccessLog

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "query_string": b"key=secret",
    "client": ("10.0.0.9", 4711),
    "headers": [(b"authorization", b"Bearer secret")],
}


def logged(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[bytes] = []
    ticks = iter([10.0, 10.25])
    log = AccessLog(app, lines.append, now_s=lambda: 1_795_590_000.0, clock_s=lambda: next(ticks))

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    asyncio.run(log(scope, nothing, nothing))
    return [json.loads(line) for line in lines]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-tollway-trace-id", b"ab12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body", "body": b"678"})


def test_a_line_tells_what_was_asked_and_answered():
    (line,) = logged(answer, SCOPE)
    assert {
        "time": "2026-11-25T07:00:00.000+00:00",
        "client": "10.0.0.9",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "bytes": 8,
        "duration_ms": 250.0,
        "trace_id": "ab12",
    } == line
    assert "secret" not in json.dumps(line)


def test_a_request_that_breaks_is_logged_too():
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ConnectionError

    lines: list[bytes] = []
    with pytest.raises(ConnectionError):
        asyncio.run(AccessLog(broken, lines.append)(dict(SCOPE, client=None), None, None))  # type: ignore[arg-type]
    assert (None, None) == (json.loads(lines[0])["status"], json.loads(lines[0])["client"])


def test_the_lifespan_is_no_request():
    async def alive(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert [] == logged(alive, {"type": "lifespan"})
