"""What is not valid HTTP is refused in the shape of the API that was asked, counted, and logged."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from typing import Any

import pytest

from tollway.gateway.pipeline.malformed import MalformedRequest
from tollway.gateway.server.access_log import AccessLog, lines_of
from tollway.gateway.server.malformed_log import EVERY_S, MalformedLog

WAIT_S = 20.0
INVOCATIONS = "/endpoints/{name}/invocations"
UNKNOWN = {"endpoint": "unknown", "provider": "unknown", "model": "unknown"}


def exchanged(port: int, data: bytes) -> tuple[int, bytes]:
    """Send bytes; return the status and the body of what comes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        connection.sendall(data)
        answer = connection.makefile("rb").read()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return int(head.split(b" ")[1]), body


@pytest.fixture
def gateway_of_a_model(model):
    return model(lambda payload: "ho")


@pytest.mark.parametrize(
    ("target", "has_detail"),
    [
        *((b"/v1/chat/completions", False), (b"/v1/models", False), (b"/nothing", True)),
        *((b"/endpoints/chat/invocations", True), (b"/gateway/chat/invocations?x", True)),
        (b"/api/2.0/endpoints/", True),
    ],
)
def test_an_error_has_the_shape_of_the_api_that_was_asked(
    gateway_of_a_model, target: bytes, has_detail: bool
):
    """MLflow's has `detail` beside OpenAI's `error`, and is what is written where no API is known."""
    status, body = exchanged(gateway_of_a_model.port, b"POST " + target + b" HTTP/1.1\r\n\r\n")
    error = json.loads(body)["error"]
    assert (400, "invalid_host", "invalid_request_error") == (status, error["code"], error["type"])
    assert has_detail == ("detail" in json.loads(body))


def test_an_error_without_a_path_has_openais_shape(gateway_of_a_model):
    _, body = exchanged(gateway_of_a_model.port, b"GARBAGE\r\n\r\n")
    assert {"error"} == json.loads(body).keys()


def test_the_answer_to_a_bad_head_request_has_no_body(gateway_of_a_model):
    assert b"" == exchanged(gateway_of_a_model.port, b"HEAD /health HTTP/1.1\r\n\r\n")[1]


@pytest.mark.parametrize(
    ("data", "status", "code", "route"),
    [
        (b"GARBAGE\r\n\r\n", 400, "malformed_request", "unknown"),
        (b"POST /v1/chat/completions HTTP/1.1\r\n\r\n", 400, "invalid_host", "/v1/chat/completions"),
        (b"GET /endpoints/a/invocations HTTP/3.0\r\n\r\n", 505, "unsupported_http_version", INVOCATIONS),
        (b"GET /made-up HTTP/1.1\r\n" + b"a:b\r\n" * 200 + b"\r\n", 431, "head_too_large", "unknown"),
        (b"GET /" + b"a" * 70_000, 414, "target_too_long", "unknown"),
    ],
)  # fmt: skip
def test_malformed_requests_are_counted(gateway_of_a_model, data: bytes, status: int, code: str, route: str):
    """By stable codes, and by routes that callers cannot make up."""
    exchanged(gateway_of_a_model.port, data)
    labels = {**UNKNOWN, "route": route}
    assert 1 == gateway_of_a_model.metric("gateway_requests_total", **labels, status=str(status))
    assert 1 == gateway_of_a_model.metric("gateway_errors_total", **labels, code=code)
    assert b"made-up" not in gateway_of_a_model.app.metrics.render()[0]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/endpoints/chat/invocations"])
def test_a_bad_body_is_counted_where_it_was_going(gateway_of_a_model, path: str):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    status, body = exchanged(gateway_of_a_model.port, head + b"nonsense\r\n")
    assert (400, "invalid_chunk") == (status, json.loads(body)["error"]["code"])
    assert ("detail" in json.loads(body)) == path.startswith("/endpoints")
    route = path.replace("chat/inv", "{name}/inv")
    assert 1 == gateway_of_a_model.metric(
        "gateway_errors_total", **UNKNOWN, route=route, code="invalid_chunk"
    )


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("no application sees a malformed request")


@pytest.fixture
def with_access_log(serve):
    noted: list[Any] = []
    server = serve(nobody, lambda app: AccessLog(app, noted.append, now_s=lambda: 1e9))
    return server, noted


@pytest.mark.parametrize(
    ("data", "method", "path", "status"),
    [
        (b"GARBAGE\r\n\r\n", None, None, 400),
        (b"GET /a?secret HTTP/1.1\r\n\r\n", "GET", "/a", 400),
        (b"GET /\xe9 HTTP/1.1\r\n\r\n", "GET", "/é", 400),
        (b"GET /a HTTP/1.1\r\nX: " + b"a" * 70_000, "GET", "/a", 431),
        (b"GET /" + b"a" * 1000 + b" HTTP/1.1\r\n\r\n", "GET", "/" + "a" * 498 + "…", 400),
    ],
)
def test_malformed_requests_are_in_the_access_log(
    with_access_log, data: bytes, method: str | None, path: str | None, status: int
):
    """With what was understood of them, and never a query."""
    server, noted = with_access_log
    size = len(server.ask(data).body)
    (line,) = [json.loads(line) for line in lines_of(noted).splitlines()]
    assert ("127.0.0.1", method, path) == (line["client"], line["method"], line["path"])
    assert (status, size, None) == (line["status"], line["bytes"], line["trace_id"])
    assert 0 <= line["duration_ms"] < 20_000


class Clock:
    """An event loop's timers, rung by hand."""

    def __init__(self) -> None:
        self.set: list[tuple[float, Any]] = []

    def call_later(self, after_s: float, call: Any) -> object:
        self.set.append((after_s, call))
        return object()

    def ring(self) -> None:
        (_, call), self.set = self.set[0], self.set[1:]
        call()


def request(code: str = "invalid_host", message: str = "no host") -> MalformedRequest:
    return MalformedRequest("10.0.0.9", "GET", "/a", 400, code, message, 0.0, 0)


def test_many_malformed_requests_are_a_few_lines(caplog):
    """The first at once, the others summed up: whoever sends millions does not fill a disk."""
    clock = Clock()
    log = MalformedLog(clock)  # type: ignore[arg-type]  # only its call is used
    for _ in range(1000):
        log.note(request())
    log.note(request("malformed_request", "no HTTP"))
    assert ["refused a request from 10.0.0.9: 400 invalid_host: no host"] == caplog.messages
    assert [EVERY_S] == [after_s for after_s, _ in clock.set]
    clock.ring()
    assert "refused 1000 more requests" in caplog.messages[1]
    assert "400 invalid_host: 999, 400 malformed_request: 1" in caplog.messages[1]
    clock.ring()
    assert 2 == len(caplog.messages)
    log.note(request())
    assert caplog.messages[0] == caplog.messages[2]


def test_nothing_of_a_malformed_request_is_copied_into_the_log(serve, caplog):
    """A caller must not write into it."""
    caplog.set_level(logging.INFO)
    serve(nobody).ask(b"GET /forged\x1b[31m HTTP/1.1\r\nHost: forged\nline\r\n\r\n")
    assert [] == [message for message in caplog.messages if "forged" in message or "\x1b" in message]
    assert 1 == len([message for message in caplog.messages if message.startswith("refused a request")])


def test_an_observer_that_fails_breaks_nothing(serve, caplog):
    server = serve(nobody)

    def broken(request: MalformedRequest) -> None:
        raise RuntimeError("broken")

    assert 400 == server.ask(b"GARBAGE\r\n\r\n").status
    server.in_loop(lambda: server.service._observers.append(broken))
    assert 400 == server.ask(b"GARBAGE\r\n\r\n").status
    assert "a malformed request could not be counted or logged" in caplog.messages


def test_an_application_that_fails_is_a_500_in_the_shape_of_its_api(serve):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret")

    answer = serve(app).ask(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (500, "internal_error") == (answer.status, answer.json["error"]["code"])
    assert b"secret" not in answer.body


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_refusal_can_be_read_by_who_is_still_sending(serve, size: int):
    """The connection is not reset as long as what comes is not too much (RFC 9112, section 9.6)."""
    caller = serve(nobody).connect(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000)
    try:
        caller.send(b"a" * size)
    except OSError:
        assert size > 1_000_000
    assert 431 == caller.answer().status


def test_a_refusal_waits_for_the_answers_before_it(serve):
    """Also when a request is under way in whose round others write."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 300_000})

    caller = serve(app).connect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n")
    assert 300_000 == len(caller.answer().body)
    assert 400 == caller.answer().status
    assert b"" == caller.rest()
