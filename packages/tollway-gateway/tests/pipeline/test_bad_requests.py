"""Every bad request is a 4xx in the shape of its API, counted, and leaves its connection usable."""

from __future__ import annotations

import json
import socket

import pytest

CHAT = {"messages": [{"role": "user", "content": "hi"}]}
CHAT_PATH = "/v1/chat/completions"
LABELS = {"provider": "own", "model": "m"}


@pytest.fixture
def echo(model):
    return model(lambda payload: "ho", server={"max_body_bytes": 1000})


def post(gateway, body: bytes, path: str = CHAT_PATH, **headers: str):
    return gateway.client.post(path, content=body, headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"messages": NaN}',
        b'{"model": "\\ud800"}',
        b'{"a": ' + b"[" * 2000,
        b"{}" + b" " * 10 + b"{}",
        b"nul",
    ],
)
def test_body_that_is_not_json(echo, body: bytes):
    answer = post(echo, body[:1000])
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"[" * 400 + b"]" * 400])
def test_body_that_is_no_object(echo, body: bytes):
    answer = post(echo, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_type")


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"messages": None}, "messages", "invalid_type"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role", "invalid_type"),
        ({"messages": [{"role": 1, "content": "hi"}]}, "messages[0].role", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream": 1}, "stream", "invalid_type"),
        ({"model": 1}, "model", "invalid_type"),
        ({"model": None}, "model", "invalid_type"),
    ],
)
def test_key_of_the_wrong_type(echo, change: dict, param: str, code: str):
    """The error names the key."""
    answer = post(echo, json.dumps({**CHAT, "model": "chat", **change}).encode())
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("missing", ["messages", "model"])
def test_missing_key(echo, missing: str):
    payload = {**CHAT, "model": "chat"}
    del payload[missing]
    error = post(echo, json.dumps(payload).encode()).json()["error"]
    assert (error["param"], error["code"]) == (missing, "missing_required_parameter")


@pytest.mark.parametrize(
    "odd", [b'"seed": 1' + b"0" * 300, b'"x": 1, "x": 2', b'"x": ' + b"[" * 300 + b"]" * 300]
)
def test_huge_numbers_and_other_keys_are_the_models_business(echo, odd: bytes):
    """JSON that is odd but valid is no fault: the model gets it as it came."""
    assert post(echo, b'{"model": "chat", %b, "messages": [{"role": "user"}]}' % odd).status_code == 200


@pytest.mark.parametrize(
    "twice", [b'"model": "x"', b'"\\u006dodel": "x"', b'"stream": true, "stream": false']
)
def test_a_key_that_the_gateway_acts_on_stands_there_once(echo, twice: bytes):
    """A model's service may take the other one."""
    answer = post(echo, b'{"model": "chat", %b, "messages": [{"role": "user"}]}' % twice)
    assert (400, "duplicate_key") == (answer.status_code, answer.json()["error"]["code"])


def test_a_key_of_the_same_name_inside_is_none_of_them(echo):
    tools = b'[{"function": {"parameters": {"properties": {"model": {}, "stream": {}}}}}]'
    body = b'{"model": "chat", "messages": [{"role": "user"}], "tools": %b}' % tools
    assert post(echo, body).status_code == 200


def test_unknown_model_names_what_there_is(echo):
    answer = post(echo, json.dumps({**CHAT, "model": "gpt-5"}).encode())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "gpt-5" in error["message"]
    assert "chat" in error["message"]


def test_model_of_another_task_is_not_found(echo):
    """An endpoint is found only by the API that it serves."""
    answer = post(echo, b'{"model": "chat", "input": "x"}', "/v1/embeddings")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "llm/v1/chat" in answer.json()["error"]["message"]


@pytest.mark.parametrize("prefix", ["endpoints", "gateway"])
def test_unknown_endpoint_in_both_shapes(echo, prefix: str):
    """On MLflow's paths an error has `detail` and `error`."""
    answer = post(echo, b"{}", f"/{prefix}/nope/invocations")
    body = answer.json()
    assert answer.status_code == 404
    assert body["detail"] == body["error"]["message"]
    assert "nope" in body["detail"]
    assert body["error"]["code"] == "endpoint_not_found"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_wrong_method_says_which_is_right(echo, method: str):
    answer = echo.client.request(method, CHAT_PATH)
    if method == "BREW":  # not an HTTP method to the server's parser, which refuses it first
        assert answer.status_code == 400
        return
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_bad_requests_are_counted_and_traced(echo):
    """A 4xx has a SERVER span without an error and is counted; a made-up name makes no series."""
    post(echo, json.dumps({**CHAT, "model": "made-up"}).encode())
    span = echo.spans.wait_for(f"POST {CHAT_PATH}")
    assert span.attributes["http.response.status_code"] == 404
    assert span.status.is_unset
    unknown = {"endpoint": "unknown", "provider": "unknown", "model": "unknown", "route": CHAT_PATH}
    assert echo.metric("gateway_errors_total", **unknown, code="model_not_found") == 1
    assert echo.metric("gateway_requests_total", **unknown, status="404") == 1
    assert b"made-up" not in echo.app.metrics.render()[0]


def talk(port: int, *requests: bytes) -> list[tuple[int, bytes]]:
    """Send requests over one connection, one after another; return status and body of each answer."""
    answers = []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        reader = connection.makefile("rb")
        for request in requests:
            connection.sendall(request)
            status = int(reader.readline().split(b" ")[1])
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            answers.append((status, reader.read(length)))
    return answers


def request(body: bytes, headers: bytes = b"") -> bytes:
    head = b"POST " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: x\r\n" + headers
    if b"transfer-encoding" not in headers:
        head += b"content-length: %d\r\n" % len(body)
    return head + b"\r\n" + body


GOOD = request(json.dumps({**CHAT, "model": "chat"}).encode())


@pytest.mark.parametrize("size", [1001, 300_000])
def test_body_over_the_limit_by_its_length(echo, size: int):
    """A body over the limit is a 413, and the connection serves the next request."""
    (large, error), (good, _) = talk(echo.port, request(b"x" * size), GOOD)
    assert (large, good) == (413, 200)
    assert json.loads(error)["error"]["code"] == "request_too_large"


def test_body_over_the_limit_in_chunks(echo):
    """A body that does not tell its length is refused when it passes the limit."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (500, b"x" * 500) for _ in range(200)) + b"0\r\n\r\n"
    (large, _), (good, _) = talk(echo.port, request(chunks, b"transfer-encoding: chunked\r\n"), GOOD)
    assert (large, good) == (413, 200)


def test_body_in_chunks_is_read_whole(echo):
    body = json.dumps({**CHAT, "model": "chat"}).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert [200] == [s for s, _ in talk(echo.port, request(chunks, b"transfer-encoding: chunked\r\n"))]


def test_connection_is_usable_after_each_kind_of_error(echo):
    """Whatever was wrong with a request, the next on its connection is served."""
    bad = [request(b"{"), request(b"{}"), b"GET /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n"]
    answers = talk(echo.port, *[one for request in bad for one in (request, GOOD)])
    assert [status for status, _ in answers] == [400, 200, 400, 200, 405, 200]


def test_limit_is_exact(echo):
    """A body of exactly the limit is read."""
    body = json.dumps({**CHAT, "model": "chat"}).encode()
    body += b" " * (1000 - len(body))
    assert [200] == [status for status, _ in talk(echo.port, request(body))]
