"""The access log: a line of JSON a request, with nothing in it that should not be kept."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.server.access_log import AccessLog, Answered, lines_of, missing_line

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/v1/chat/completions",
    "query_string": b"key=secret",
    "client": ("10.0.0.9", 4711),
    "headers": [(b"authorization", b"Bearer secret")],
}


def logged(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    requests: list[Answered] = []
    ticks = iter([10.0, 10.25])
    log = AccessLog(app, requests.append, now_s=lambda: 1_795_590_000.0625, clock_s=lambda: next(ticks))

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    asyncio.run(log(scope, nothing, nothing))
    return [json.loads(line) for line in lines_of(requests).splitlines()] if requests else []


async def answer(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"x-tollway-trace-id", b"ab12")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body", "body": b"678"})


def test_a_line_tells_what_was_asked_and_answered():
    (line,) = logged(answer, SCOPE)
    assert {
        "time": "2026-11-25T07:00:00.062+00:00",
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

    requests: list[Answered] = []
    with pytest.raises(ConnectionError):
        asyncio.run(AccessLog(broken, requests.append)(dict(SCOPE, client=None), None, None))  # type: ignore[arg-type]
    line = json.loads(lines_of(requests))
    assert (None, None) == (line["status"], line["client"])


def test_the_lifespan_is_no_request():
    async def alive(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    assert [] == logged(alive, {"type": "lifespan"})


def test_a_line_is_never_longer_than_a_pipe_takes_in_one_piece():
    """4096 bytes on Linux; a character takes six at most in JSON."""
    (line,) = logged(answer, SCOPE | {"path": "\0" * 60_000})
    assert "…" == line["path"][-1]
    assert 4096 > len(json.dumps(line))


texts = st.text() | st.sampled_from(['},{"time":', "},{", '"},{"time":"', '\\"},{"time":'])
requests = st.tuples(
    st.floats(0, 2**32),
    st.floats(0, 1e6),
    st.none() | texts,
    texts,
    texts,
    st.none() | st.integers(100, 599),
    st.integers(0, 2**40),
    st.none() | st.binary(),
)


@given(st.lists(requests, min_size=1))
def test_each_request_has_a_line_whatever_it_asked_for(several: list[Answered]):
    lines = [json.loads(line) for line in lines_of(several).decode().split("\n")[:-1]]
    assert [(r[2], r[3], r[4]) for r in several] == [(x["client"], x["method"], x["path"]) for x in lines]


def test_what_is_missing_is_a_line_too():
    line = missing_line(12, now_s=lambda: 1_795_590_000.0)
    assert b'{"time":"2026-11-25T07:00:00.000+00:00","missing_lines":12}\n' == line
