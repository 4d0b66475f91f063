"""The access log: a line of JSON a request, with nothing in it that should not be kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.pipeline.exchange import EXTENSION
from tollway.gateway.server.access_log import AccessLog, Answered, lines_of, missing_line


class Exchange:
    """What our own server knows of a request and its answer."""

    received_s = 10.0
    status: int | None = None
    body_bytes = 0
    trace_id: str | None = None
    caller: str | None = None

    def when_sent(self, call: Callable[[], None]) -> None:
        call()


def scope(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"key=secret",
        "client": ("10.0.0.9", 4711),
        "headers": [(b"authorization", b"Bearer secret")],
        "extensions": {EXTENSION: Exchange()},
        **more,
    }


async def nothing(*_: Any) -> dict[str, Any]:
    return {}


def logged(app: Any, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask an application that ends after a quarter of a second."""
    requests: list[Answered] = []
    log = AccessLog(app, requests.append, now_s=lambda: 1_795_590_000.3125, clock_s=lambda: 10.25)
    with suppress(ConnectionError):
        asyncio.run(log(scope, nothing, nothing))
    return [json.loads(line) for line in lines_of(requests).splitlines()] if requests else []


async def answer(scope: Any, receive: Any, send: Any) -> None:
    exchange = scope["extensions"].pop(EXTENSION)
    exchange.status, exchange.body_bytes, exchange.trace_id = 200, 8, "ab12"
    exchange.caller = "shop"


def test_a_line_tells_what_was_asked_and_answered():
    (line,) = logged(answer, scope())
    assert {
        "time": "2026-11-25T07:00:00.062+00:00",
        "client": "10.0.0.9",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "bytes": 8,
        "duration_ms": 250.0,
        "trace_id": "ab12",
        "key": "shop",
    } == line
    assert "secret" not in json.dumps(line)


def test_a_request_that_breaks_is_logged_too():
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ConnectionError

    (line,) = logged(broken, scope(client=None))
    assert (None, None) == (line["status"], line["client"])


def test_a_request_lasts_until_its_answer_is_written():
    """An answer may wait for others that leave with it: that is time of its caller's too."""
    written: list[Callable[[], None]] = []
    times = iter((10.5,))
    requests: list[Answered] = []
    asked = scope()
    asked["extensions"][EXTENSION].when_sent = written.append
    log = AccessLog(answer, requests.append, now_s=lambda: 20.0, clock_s=lambda: next(times))
    asyncio.run(log(asked, nothing, nothing))
    assert [] == requests
    written[0]()
    assert [0.5] == [took_s for _, took_s, *_ in requests]


def test_the_lifespan_is_no_request():
    assert [] == logged(nothing, {"type": "lifespan"})


def test_a_line_is_never_longer_than_a_pipe_takes_in_one_piece():
    """4096 bytes on Linux; a character takes six at most in JSON."""
    (line,) = logged(answer, scope(path="\0" * 60_000))
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
    st.none() | texts,
    st.none() | texts,
)


@given(st.lists(requests, min_size=1))
def test_each_request_has_a_line_whatever_it_asked_for(several: list[Answered]):
    lines = [json.loads(line) for line in lines_of(several).decode().split("\n")[:-1]]
    assert [(r[2], r[3], r[4]) for r in several] == [(x["client"], x["method"], x["path"]) for x in lines]


def test_what_is_missing_is_a_line_too():
    line = missing_line(12, now_s=lambda: 1_795_590_000.0)
    assert b'{"time":"2026-11-25T07:00:00.000+00:00","missing_lines":12}\n' == line
