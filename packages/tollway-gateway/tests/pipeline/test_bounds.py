"""No body makes the gateway hold more memory than its bounds say, and honest large ones are served."""

from __future__ import annotations

import base64
import json
import socket
import threading

import pytest

CHAT_PATH = "/v1/chat/completions"
MIB = 1024 * 1024


def ask(gateway, body: bytes):
    return gateway.client.post(CHAT_PATH, content=body)


def chat(**more: object) -> bytes:
    return json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}], **more}).encode()


@pytest.fixture
def echo(model):
    return model(lambda payload: "ho")


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'{"a":1},', b'"",', b"1,"])
def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(echo, unit: bytes):
    """Ten million values on the wire are a 413 with a stable code, counted."""
    answer = ask(echo, b'{"model":"chat","x":[' + unit * (10_000_000 // len(unit)) + b"1]}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "json_too_large")
    labels = {"endpoint": "unknown", "provider": "unknown", "model": "unknown", "route": CHAT_PATH}
    assert echo.metric("gateway_errors_total", **labels, code="json_too_large") == 1


@pytest.mark.parametrize(
    "more",
    [
        {"image": base64.b64encode(bytes(7 * MIB)).decode()},
        {"tokens": list(range(500_000))},
        {"texts": ["some text, [of] {middling}: length"] * 20_000},
        {"table": "1,2,3\n" * 1_000_000},
        {"code": 'f("a", [b], {"c": "\\n"})\n' * 200_000},
    ],
    ids=["image", "tokens", "texts", "table", "code"],
)
def test_a_large_honest_body_is_served(echo, more: dict):
    assert ask(echo, chat(**more)).status_code == 200


def test_the_number_of_values_can_be_set(model):
    gateway = model(lambda payload: "ho", server={"max_json_nodes": 100})
    assert ask(gateway, chat(x=list(range(80)))).status_code == 200
    assert ask(gateway, chat(x=list(range(100)))).status_code == 413


@pytest.mark.parametrize(
    ("depth", "status"), [(200, 200), (260, 200), (1000, 200), (1100, 400), (100_000, 400)]
)
def test_json_that_is_nested_too_deep_is_the_callers_fault(echo, depth: int, status: int):
    """Where it can be parsed, it goes out as it came: it need not be written again."""
    answer = ask(echo, chat(x=0)[:-2] + b"[" * depth + b"]" * depth + b"}")
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] in ("json_too_deep", "invalid_json")


def test_requests_in_flight_share_a_budget(model):
    """Above it a large request gets 503 with Retry-After, small ones are served; each end frees its share."""
    entered, leave = threading.Semaphore(0), threading.Event()

    def predict(payload):
        if "wait" in payload:
            entered.release()
            leave.wait(20)
        return "ho"

    gateway = model(predict, server={"max_buffered_bytes": 16 * MIB})
    large = chat(wait=True, x="x" * 3 * MIB)
    first = threading.Thread(target=ask, args=(gateway, large))
    first.start()
    assert entered.acquire(timeout=20)
    assert gateway.metric("gateway_buffered_bytes") > 9 * MIB
    refused = ask(gateway, large)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_overloaded")
    assert refused.headers["retry-after"] == "1"
    assert ask(gateway, chat()).status_code == 200
    leave.set()
    first.join()
    assert ask(gateway, chat(x="x" * 3 * MIB)).status_code == 200
    assert gateway.metric("gateway_buffered_bytes") == 0


def test_a_body_that_never_ends_counts_as_far_as_it_came(model):
    """A body under way holds memory for what arrived, and nothing once its caller hung up."""
    gateway = model(lambda payload: "ho", server={"max_buffered_bytes": 16 * MIB})
    head = b"POST " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head + b"x" * 4 * MIB)
        wait_until(lambda: gateway.metric("gateway_buffered_bytes") > 3 * MIB)
    wait_until(lambda: gateway.metric("gateway_buffered_bytes") == 0)


def test_the_beginning_of_a_body_counts(model):
    """Also of one of which no more than its first packet has come."""
    gateway = model(lambda payload: "ho", server={"max_buffered_bytes": 16 * MIB})
    head = b"POST " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: localhost\r\ncontent-length: 90000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head + b"x" * 10_000)
        wait_until(lambda: gateway.metric("gateway_buffered_bytes") == 10_000)
    wait_until(lambda: gateway.metric("gateway_buffered_bytes") == 0)


def test_what_connections_hold_counts(model):
    """Requests that came behind one that is not answered."""
    entered, leave = threading.Event(), threading.Event()

    def predict(payload):
        entered.set()
        leave.wait(20)
        return "ho"

    gateway = model(predict)
    body = chat()
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % (
        CHAT_PATH.encode(),
        len(body),
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        connection.sendall(head + body)
        assert entered.wait(20)
        before = gateway.metric("gateway_buffered_bytes")
        connection.sendall(b"GET /" + b"a" * 30_000)
        wait_until(lambda: gateway.metric("gateway_buffered_bytes") == before + 30_005)
        leave.set()
    wait_until(lambda: gateway.metric("gateway_buffered_bytes") == 0)


def test_bodies_of_failed_requests_are_given_back(model):
    """Whatever ends a request, its share is free again."""

    def predict(payload):
        raise ValueError("no")

    gateway = model(predict)
    for body in (chat(), b"{", b"[]", chat(x=0)[:-2] + b"[" * 300 + b"]" * 300 + b"}", chat(model="none")):
        assert ask(gateway, body).status_code >= 400
    assert gateway.metric("gateway_buffered_bytes") == 0


def wait_until(condition) -> None:
    """Ask again until it is so."""
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("it did not come to be")


def deep(depth: int) -> str:
    return '{"a":' + "[" * depth + "]" * depth + "}"


@pytest.fixture
def claude(gateway, upstream):
    """Starts a gateway whose endpoint `chat` speaks Anthropic's dialect to an upstream with this script."""

    def start(script):
        settings = {"anthropic_api_key": "k", "anthropic_api_base": f"{upstream(script).url}/v1"}
        model = {"provider": "anthropic", "name": "claude", "config": settings}
        return gateway({"endpoints": [{"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}]})

    return start


def message(depth: int) -> bytes:
    block = '{"type":"tool_use","id":"a","name":"f","input":' + deep(depth) + "}"
    return f'{{"type":"message","role":"assistant","content":[{block}],"stop_reason":"tool_use"}}'.encode()


def test_json_that_becomes_deep_in_another_dialect_is_said(claude):
    """The arguments of a tool call are text in one dialect and JSON in the other."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": deep(300)}}
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [call]}]
    answer = ask(claude(lambda exchange: exchange.answer(message(300))), chat(messages=history))
    assert answer.status_code == 200
    function = answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]
    assert function["arguments"] == deep(300)


def test_an_answer_that_is_nested_too_deep_is_the_upstreams_fault(claude):
    """It cannot be read at all."""
    answer = ask(claude(lambda exchange: exchange.answer(message(100_000))), chat())
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_nothing_but_values_is_refused(gateway, upstream, stream: bool):
    """It is not parsed: that would take twenty times its bytes."""
    body = b'{"choices":[],"x":[' + b"[]," * 2_000_000 + b"1]}"
    settings = {"openai_api_key": "k"}
    if stream:
        script = lambda exchange: (exchange.begin_stream(), exchange.chunk(b"data: " + body + b"\n\n"))  # noqa: E731
    else:
        script = lambda exchange: exchange.answer(body)  # noqa: E731
    settings["openai_api_base"] = f"{upstream(script).url}/v1"
    model = {"provider": "openai", "name": "gpt", "config": settings}
    endpoint = {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}
    server = {"max_answer_bytes": 8_000_000}
    answer = ask(gateway({"endpoints": [endpoint], "server": server}), chat(stream=stream))
    assert (502, "upstream_response_too_large") == (answer.status_code, answer.json()["error"]["code"])
