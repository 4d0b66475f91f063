"""Requests that pass raw: what the service gets of them, and what their caller gets of its answer."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import ExitStack

import pytest

from tollway.provider import BaseProvider, Target, Task
from tollway.providers.gemini import GeminiProvider
from tollway.providers.openai import OpenAIProvider

KEY = "sk-of-the-gateway-1234567890"
CALLERS = {
    "authorization": "Bearer of-the-caller",
    "x-api-key": "of-the-caller",
    "api-key": "of-the-caller",
    "x-goog-api-key": "of-the-caller",
    "cookie": "session=of-the-caller",
}
WAIT_S = 30


def endpoint(name: str = "gpt", **more) -> dict:
    model = {"provider": "openai", "name": "gpt-4o"}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, **more}


@pytest.fixture
def raw(gateway, upstream):
    """Starts a gateway whose endpoint `gpt` is OpenAI's at an upstream that follows a script."""

    def start(script=lambda exchange: exchange.answer({"ok": True}), *, query="", server=None, **more):
        service = upstream(script)
        config = {"openai_api_key": KEY, "openai_api_base": f"{service.url}/v1{query}"}
        names = more.pop("names", ("gpt",))
        endpoints = [endpoint(name, **more) for name in names]
        providers = {name: OpenAIProvider(Target(name, Task.CHAT, "gpt-4o", config)) for name in names}
        return gateway({"endpoints": endpoints, "server": server or {}}, providers=providers), service

    return start


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_path_query_and_body_pass(raw, method: str):
    """All of a request but its headers goes on as it came; the base URL keeps its own query."""
    running, service = raw(query="?api-version=7")
    answer = running.client.request(method, "/proxy/gpt/files/a%20b?x=1&y=%2F", content=b"\x00\xff")
    seen = service.requests.get(timeout=WAIT_S)
    assert (200, {"ok": True}) == (answer.status_code, answer.json())
    assert (method, "/v1/files/a%20b?x=1&y=%2F&api-version=7", b"\x00\xff") == (
        seen.method,
        seen.path,
        seen.body,
    )


@pytest.mark.parametrize("path", ["/proxy/gpt/v1/models", "/gateway/proxy/gpt/models", "/proxy/gpt/models"])
def test_version_that_the_base_url_has_is_meant_once(raw, path: str):
    running, service = raw()
    running.client.get(path)
    assert "/v1/models" == service.requests.get(timeout=WAIT_S).path


def test_credentials_are_the_endpoints(raw):
    """No credential of the caller goes upstream, and nothing of its connection or its own network."""
    running, service = raw()
    headers = {
        **CALLERS,
        "connection": "keep-alive, x-of-the-connection",
        "x-of-the-connection": "of-the-caller",
        "te": "trailers",
        "x-forwarded-for": "of-the-caller",
        "openai-beta": "assistants=v2",
        "content-type": "text/x-own",
        "accept": "audio/mpeg",
    }
    running.client.post("/proxy/gpt/audio/speech", headers=headers, content=b"{}")
    seen = service.requests.get(timeout=WAIT_S).headers
    assert f"Bearer {KEY}" == seen["authorization"]
    assert not [name for name, value in seen.items() if "of-the-caller" in value]
    assert ["assistants=v2", "text/x-own", "audio/mpeg"] == [
        seen[name] for name in ("openai-beta", "content-type", "accept")
    ]
    assert "te" not in seen
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", seen["traceparent"])


def test_answer_passes_with_its_headers(raw):
    """Status, type, length and further headers of an answer pass, those of the connection do not."""
    sound = bytes(range(256)) * 300

    def script(exchange):
        exchange.send(
            b'HTTP/1.1 201 Made\r\ncontent-type: audio/mpeg\r\ncontent-length: %d\r\netag: "7"\r\n'
            b"set-cookie: a=b\r\naccess-control-allow-origin: *\r\nserver: theirs\r\n"
            b"keep-alive: timeout=5\r\n\r\n" % len(sound)
        )
        exchange.send(sound)

    running, _ = raw(script)
    answer = running.client.post("/proxy/gpt/audio/speech", content=b"{}")
    assert (201, sound) == (answer.status_code, answer.content)
    assert ("audio/mpeg", str(len(sound)), '"7"') == tuple(
        answer.headers[name] for name in ("content-type", "content-length", "etag")
    )
    for name in ("set-cookie", "access-control-allow-origin", "keep-alive"):
        assert name not in answer.headers
    assert "theirs" != answer.headers.get("server")
    assert "x-tollway-trace-id" in answer.headers


def test_head_has_the_head_of_get(raw):
    running, service = raw()
    answer = running.client.head("/proxy/gpt/models")
    assert ("GET", "12", b"") == (
        service.requests.get(timeout=WAIT_S).method,
        answer.headers["content-length"],
        answer.content,
    )


def test_events_pass_one_by_one(raw):
    """What has come passes while the service still holds the rest back."""
    has_first = threading.Event()

    def script(exchange):
        exchange.begin_stream()
        exchange.event(b"first")
        has_first.wait(WAIT_S)
        exchange.event(b"second")
        exchange.end_stream()

    running, _ = raw(script)
    with running.client.stream("POST", "/proxy/gpt/responses", json={"stream": True}) as answer:
        pieces = answer.iter_raw()
        assert b"data: first\n\n" == next(pieces)
        has_first.set()
        assert b"data: second\n\n" == next(pieces)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "..",
            "../admin",
            "a/../../b",
            "%2e%2e/b",
            ".%2E/b",
            "%252e%252e/b",
            "a/..%2fb",
            "..%5cb",
            "a/..;x/b",
        ),
        *(
            "./a",
            "%2e",
            "a//b",
            "/evil.example/x",
            "http://evil.example/",
            "https:%2f%2fevil.example",
            "a%00b",
        ),
        *("%0d%0aevil:1", "a%2f..%2f..%2fb", "%25252525252e/a", "..\\b", "%ff%fe/%2e%2e"),
    ],
)
def test_path_never_leaves_the_base_url(raw, path: str):
    running, service = raw()
    answer = sent(running, f"GET /proxy/gpt/{path} HTTP/1.1")
    assert b" 400 " in answer.splitlines()[0]
    assert service.requests.empty()


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("a:b/c;d=1", "/v1/a:b/c;d=1"),
        ("model/arn%3Aaws%2Fx/invoke", "/v1/model/arn%3Aaws%2Fx/invoke"),
        ("a...b/.c/", "/v1/a...b/.c/"),
        ("a|b?q={x}|y", "/v1/a%7Cb?q=%7Bx%7D%7Cy"),
        ("a?u=http://x/../y&z", "/v1/a?u=http://x/../y&z"),
        ("", "/v1/"),
    ],
)
def test_other_paths_pass_as_they_came(raw, path: str, arrives: str):
    running, service = raw()
    assert b" 200 " in sent(running, f"GET /proxy/gpt/{path} HTTP/1.1").splitlines()[0]
    assert arrives == service.requests.get(timeout=WAIT_S).path


def sent(running, line: str) -> bytes:
    """Return the answer to a bare request line."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=WAIT_S) as connection:
        connection.sendall(f"{line}\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("/proxy/openai/gpt:4/models", "/v1/models"),
        ("/proxy/openai%2Fgpt%3A4/models", "/v1/models"),
        ("/proxy/openai/models", "/v1/models"),
    ],
)
def test_names_with_slashes(raw, path: str, arrives: str):
    """The longest name that a path begins with is meant."""
    running, service = raw(names=("openai", "openai/gpt:4"))
    assert 200 == running.client.get(path).status_code
    assert arrives == service.requests.get(timeout=WAIT_S).path


@pytest.mark.parametrize("name", ["gemini", "gpt"])
def test_mlflows_path_of_gemini(gateway, upstream, name: str):
    """A method of the endpoint's model passes to Google's services; no other has it."""
    service = upstream(lambda exchange: exchange.answer({"ok": True}))
    gemini = GeminiProvider(
        Target("gemini", Task.CHAT, "g-3", {"gemini_api_key": KEY, "gemini_api_base": service.url})
    )
    gpt = OpenAIProvider(Target("gpt", Task.CHAT, "gpt-4o", {"openai_api_base": service.url}))
    config = {"endpoints": [endpoint("gemini"), endpoint("gpt")]}
    running = gateway(config, providers={"gemini": gemini, "gpt": gpt})
    path = f"/gateway/gemini/v1beta/models/{name}:streamGenerateContent?alt=sse&key=of-the-caller"
    answer = running.client.post(path, json={})
    if name == "gpt":
        assert (400, "passthrough_unsupported") == (answer.status_code, answer.json()["error"]["code"])
    else:
        seen = service.requests.get(timeout=WAIT_S)
        assert "/v1beta/models/g-3:streamGenerateContent?alt=sse&" == seen.path
        assert KEY == seen.headers["x-goog-api-key"]


def test_mlflows_path_of_messages(raw):
    """Errors there have Anthropic's shape."""
    running, _ = raw()
    answer = running.client.post("/gateway/anthropic/v1/messages", json={"model": "gpt"})
    assert (400, "error") == (answer.status_code, answer.json()["type"])


def test_unknown_name_is_404(raw):
    running, _ = raw()
    answer = running.client.get("/proxy/other/models")
    assert (404, "endpoint_not_found") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_error_passes_and_counts(raw, status: int):
    """An error's status, words and headers pass; it counts as a failure, and no secret is in it."""
    body = {"error": {"message": f"no {KEY} here"}}
    running, _ = raw(lambda exchange: exchange.answer(body, status, "retry-after: 7\r\n"))
    answer = running.client.post("/proxy/gpt/x", content=b"a")
    assert (status, {"error": {"message": "no [redacted] here"}}) == (answer.status_code, answer.json())
    assert "7" == answer.headers["retry-after"]
    span = running.spans.wait_for("POST /proxy/{name}/{path}")
    assert status == span.attributes["http.response.status_code"]


def test_rejected_key_is_the_gateways_business(raw):
    running, _ = raw(lambda exchange: exchange.answer({"error": {"message": "bad key"}}, 401))
    answer = running.client.get("/proxy/gpt/models")
    assert (502, "upstream_authentication") == (answer.status_code, answer.json()["error"]["code"])


def test_provider_without_a_service_is_400(gateway):
    own = type("Own", (BaseProvider,), {"predict": lambda self, payload: "a"})
    running = gateway({"endpoints": [endpoint()]}, providers={"gpt": own(Target("gpt", Task.CHAT, "m"))})
    answer = running.client.get("/proxy/gpt/models")
    assert (400, "passthrough_unsupported") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_do_not_pass(raw, method: str):
    running, service = raw()
    assert b" 405 " in sent(running, f"{method} /proxy/gpt/a HTTP/1.1").splitlines()[0] or method == "CONNECT"
    assert service.requests.empty()


def test_large_body_passes_in_pieces_both_ways(raw):
    """What is larger than every buffer goes up and comes down while neither side has all of it."""
    size = 8 * 1024 * 1024
    data = bytes(range(256)) * (size // 256)

    def script(exchange):
        head = f"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {len(exchange.body)}\r\n\r\n"
        exchange.send(head.encode() + exchange.body)

    running, service = raw(script)
    headers = {"content-type": "video/mp4"}
    answer = running.client.post("/proxy/gpt/files", content=data, headers=headers)
    assert data == answer.content
    assert str(size) == service.requests.get(timeout=WAIT_S).headers["content-length"]
    pieces = (data[at : at + 100_000] for at in range(0, size, 100_000))
    answer = running.client.post("/proxy/gpt/files", content=pieces, headers=headers)
    assert data == answer.content
    assert "chunked" == service.requests.get(timeout=WAIT_S).headers["transfer-encoding"]


@pytest.fixture
def by_hand(gateway):
    """Starts a gateway before a service that is a bare socket; gives connections of both sides."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        listener.settimeout(WAIT_S)
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        target = Target("gpt", Task.CHAT, "gpt-4o", {"openai_api_key": KEY, "openai_api_base": base})
        running = gateway({"endpoints": [endpoint()]}, providers={"gpt": OpenAIProvider(target)})

        def start(head: bytes, body: bytes) -> tuple[socket.socket, socket.socket]:
            address = ("127.0.0.1", running.port)
            caller = stack.enter_context(socket.create_connection(address, timeout=WAIT_S))
            line = b"POST /proxy/gpt/files HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\n"
            caller.sendall(line + head + b"\r\n" + body)
            service, _ = listener.accept()
            stack.enter_context(service).settimeout(WAIT_S)
            return caller, service

        yield start


def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = connection.recv(65536)
        assert piece, data
        data += piece
    return data


def test_body_passes_before_it_has_ended(by_hand):
    """The service gets the first piece while the caller still has the second."""
    caller, service = by_hand(b"content-length: 6\r\n", b"abc")
    assert read_until(service, b"abc").endswith(b"content-length: 6\r\n\r\nabc")
    caller.sendall(b"def")
    assert b"def" == read_until(service, b"def")
    service.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    assert read_until(caller, b"\r\n\r\nok").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("head", [b"content-length: 10000000\r\n", b"transfer-encoding: chunked\r\n"])
def test_answer_before_the_body_has_ended(by_hand, head: bytes):
    """A service that refuses a body without reading it is heard."""
    caller, service = by_hand(head, b"3\r\nabc\r\n")
    read_until(service, b"abc")
    service.sendall(b"HTTP/1.1 413 Large\r\ncontent-length: 2\r\n\r\nno")
    assert read_until(caller, b"\r\n\r\nno").startswith(b"HTTP/1.1 413 ")


def test_caller_that_leaves_in_mid_body_is_told_to_the_service(by_hand):
    """The service sees its connection end: it never takes half a body for the whole."""
    caller, service = by_hand(b"transfer-encoding: chunked\r\n", b"3\r\nabc\r\n")
    read_until(service, b"abc")
    caller.close()
    try:
        rest = service.recv(100)
    except ConnectionResetError:
        rest = b""
    assert b"" == rest.strip(b"\r\n")


def test_body_over_the_bound_is_413(raw):
    running, _ = raw(server={"max_body_bytes": 1000})
    headers = {"content-type": "image/png"}
    for content in (b"x" * 100_000, iter([b"x" * 100_000] * 3)):
        answer = running.client.post("/proxy/gpt/files", content=content, headers=headers)
        assert (413, "request_too_large") == (answer.status_code, answer.json()["error"]["code"])


def test_answer_that_breaks_off_is_seen_to(raw):
    """A caller learns that an answer is not whole by its connection; nothing is added to the bytes."""

    def script(exchange):
        exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
        exchange.chunk(b"half")
        exchange.cut()

    running, _ = raw(script)
    answer = sent(running, "GET /proxy/gpt/x HTTP/1.1")
    assert b"4\r\nhalf\r\n" == answer.partition(b"\r\n\r\n")[2]


USAGE = {"usage": {"prompt_tokens": 7, "completion_tokens": 9}, "model": "gpt-4o-2024"}


@pytest.mark.parametrize("streamed", [False, True])
def test_usage_and_cost_are_counted(raw, streamed: bool):
    def script(exchange):
        if not streamed:
            exchange.answer(USAGE)
            return
        exchange.begin_stream()
        exchange.event({"choices": []})
        exchange.event(USAGE)
        exchange.event(b"[DONE]")
        exchange.end_stream()

    price = {"prices": {"input": 10**18, "output": 2 * 10**18}}
    running, _ = raw(script, price=price)
    answer = running.client.post("/proxy/gpt/chat/completions", json={"model": "gpt-4o"})
    assert 200 == answer.status_code
    span = running.spans.wait_for("passthrough gpt-4o")
    assert (7, 9) == tuple(span.attributes[f"gen_ai.usage.{one}_tokens"] for one in ("input", "output"))
    assert 25e-6 == pytest.approx(span.attributes["gen_ai.usage.cost"])
    assert "gpt" == span.attributes["tollway.endpoint"]


def test_limits_hold(raw):
    running, service = raw(limits=[{"calls": 1, "renewal_period_s": 3600}])
    assert [200, 429] == [running.client.get("/proxy/gpt/models").status_code for _ in range(2)]
    assert 1 == service.requests.qsize()


@pytest.mark.parametrize("prefix", ["/v1", "/gateway/openai/v1"])
@pytest.mark.parametrize("path", ["images/generations", "audio/speech", "moderations", "rerank"])
def test_model_names_the_endpoint(raw, prefix: str, path: str):
    """The name of the model is spliced into the bytes that came."""
    running, service = raw()
    content = b'{ "prompt": 100000000000000000000001,\n "model" : "gpt" }'
    assert 200 == running.client.post(f"{prefix}/{path}", content=content).status_code
    seen = service.requests.get(timeout=WAIT_S)
    assert (f"/v1/{path}", b'{ "prompt": 100000000000000000000001,\n "model" : "gpt-4o" }') == (
        seen.path,
        seen.body,
    )


def test_model_of_a_form_names_the_endpoint(raw):
    running, service = raw()
    files = {"file": ("a.wav", b"\r\n--x\x00\xff" * 1000, "audio/wav")}
    answer = running.client.post("/v1/audio/transcriptions", data={"model": "gpt"}, files=files)
    assert 200 == answer.status_code
    seen = service.requests.get(timeout=WAIT_S)
    assert b'name="model"\r\n\r\ngpt-4o\r\n' in seen.body
    assert b"\r\n--x\x00\xff" * 1000 in seen.body


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"model": "nobody"}', {}, 404, "model_not_found"),
        (b"{}", {}, 400, "missing_required_parameter"),
        (b'{"model": 1}', {}, 400, "invalid_type"),
        (b'{"model": "gpt", "model": "gpt"}', {}, 400, "duplicate_key"),
        (b"[]", {}, 400, "invalid_type"),
        (b"a", {"content-type": "multipart/form-data"}, 400, "invalid_form"),
        (b"a", {"content-type": "multipart/form-data; boundary=x"}, 400, "invalid_form"),
        (b"--x\r\n", {"content-type": "multipart/form-data; boundary=x"}, 400, "invalid_form"),
        (b"--x--", {"content-type": "multipart/form-data; boundary=x"}, 400, "missing_required_parameter"),
    ],
)
def test_bodies_that_name_nothing(raw, content: bytes, headers: dict, status: int, code: str):
    running, service = raw()
    answer = running.client.post("/v1/images/edits", content=content, headers=headers)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])
    assert service.requests.empty()


def test_gets_of_paths_by_model_are_405(raw):
    running, _ = raw()
    answer = running.client.get("/v1/images/generations")
    assert (405, "POST") == (answer.status_code, answer.headers["allow"])
