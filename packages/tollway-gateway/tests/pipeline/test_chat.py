"""One request through every stage, over real sockets."""

from __future__ import annotations

import json
import threading

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode

CHAT = {"messages": [{"role": "user", "content": "hi"}]}

COMPLETION = {
    "id": "chatcmpl-1",
    "model": "gpt-4-0613",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 5},
}

PATHS = ["/endpoints/chat/invocations", "/gateway/chat/invocations", "/v1/chat/completions"]


@pytest.mark.parametrize("path", PATHS)
def test_answer_is_the_upstreams_bytes(plain, path: str):
    """Every path to an endpoint gives its answer, byte for byte."""
    body = json.dumps(COMPLETION, indent=3).encode()
    gateway, _ = plain(lambda exchange: exchange.answer(body))
    answer = gateway.client.post(path, json={**CHAT, "model": "chat"})
    assert (answer.status_code, answer.content) == (200, body)
    assert answer.headers["content-type"] == "application/json"


def test_model_key_is_ignored_where_the_path_names_the_endpoint(plain):
    gateway, _ = plain(lambda exchange: exchange.answer(COMPLETION))
    answer = gateway.client.post("/endpoints/chat/invocations", json={**CHAT, "model": "anything"})
    assert answer.status_code == 200


def test_other_paths_are_the_control_planes(plain):
    gateway, _ = plain(lambda exchange: exchange.answer(COMPLETION))
    assert gateway.client.get("/v1/models").text == "control plane"


def stream(gateway, **more):
    return gateway.client.stream(
        "POST", "/v1/chat/completions", json={**CHAT, "model": "chat", "stream": True}, **more
    )


def test_events_are_forwarded_as_they_come(plain):
    """An event is with the caller before the upstream makes the next one."""
    go_on = threading.Semaphore(0)

    def script(exchange):
        exchange.begin_stream()
        for n in range(3):
            exchange.event({"n": n})
            assert go_on.acquire(timeout=20)
        exchange.event(b"[DONE]")
        exchange.end_stream()

    gateway, _ = plain(script)
    seen = []
    with stream(gateway) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-cache"
        for line in answer.iter_lines():
            if line:
                seen.append(line)
                go_on.release()
    assert seen == ['data: {"n": 0}', 'data: {"n": 1}', 'data: {"n": 2}', "data: [DONE]"]


def test_error_before_the_first_event_is_an_http_error(plain):
    """A stream that fails before it begins is told by its status, not by an empty 200."""
    gateway, _ = plain(lambda exchange: exchange.answer({"m": "no"}, 429, "retry-after: 7\r\n"))
    with stream(gateway) as answer:
        error = json.loads(answer.read())["error"]
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert error["code"] == "upstream_error"
    assert "no" in error["message"]


@pytest.mark.parametrize("end", ["cut", "end_stream"])
def test_broken_stream_ends_in_an_error_event(plain, end: str):
    """A stream that ends before its end has an error event and no `[DONE]`, and counts as failed."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event({"n": 0})
        getattr(exchange, end)()

    gateway, _ = plain(script)
    with stream(gateway) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert answer.status_code == 200
    assert lines[0] == 'data: {"n": 0}'
    assert json.loads(lines[1].removeprefix("data: "))["error"]["code"] == "stream_incomplete"
    assert len(lines) == 2
    server = gateway.spans.wait_for("POST /v1/chat/completions")
    assert server.status.status_code is StatusCode.ERROR
    assert gateway.spans.wait_for("chat gpt-4").status.status_code is StatusCode.ERROR
    labels = {"endpoint": "chat", "provider": "plain", "model": "gpt-4", "route": "/v1/chat/completions"}
    assert gateway.metric("gateway_errors_total", **labels, code="stream_incomplete") == 1
    assert gateway.metric("gateway_requests_total", **labels, status="502") == 1


@pytest.mark.parametrize("streamed", [False, True])
def test_caller_that_hangs_up_cancels_the_upstream(plain, streamed: bool):
    """A caller that goes away leaves no call running, and both its spans end without an error."""
    begun = threading.Event()

    def script(exchange):
        begun.set()
        exchange.wait_until_gone()

    gateway, server = plain(script)
    client = httpx.Client(trust_env=False, timeout=httpx.Timeout(20, read=0.5))
    with pytest.raises(httpx.ReadTimeout):
        client.post(f"{gateway.url}/v1/chat/completions", json={**CHAT, "model": "chat", "stream": streamed})
    client.close()
    assert server.requests.get(timeout=20).gone.wait(20)
    attempt = gateway.spans.wait_for("chat gpt-4")
    request = gateway.spans.wait_for("POST /v1/chat/completions")
    for span in (attempt, request):
        assert [event.name for event in span.events] == ["client_disconnected"]
        assert span.status.status_code is StatusCode.UNSET
    labels = {"endpoint": "chat", "provider": "plain", "model": "gpt-4", "route": "/v1/chat/completions"}
    assert gateway.metric("gateway_requests_total", **labels, status="499") == 1


def test_caller_that_hangs_up_in_mid_stream_cancels_the_upstream(plain):
    def script(exchange):
        exchange.begin_stream()
        exchange.event({"n": 0})
        exchange.wait_until_gone()

    gateway, server = plain(script)
    with stream(gateway) as answer:
        assert next(answer.iter_lines()) == 'data: {"n": 0}'
    assert server.requests.get(timeout=20).gone.wait(20)
    attempt = gateway.spans.wait_for("chat gpt-4")
    assert [event.name for event in attempt.events] == ["client_disconnected"]


TIMEOUT = {"connect_s": 5, "first_token_s": 60, "idle_s": 60, "total_s": 60}


@pytest.mark.parametrize(
    ("streamed", "limit", "code"),
    [
        (False, "total_s", "upstream_timeout"),
        (True, "first_token_s", "first_token_timeout"),
        (True, "total_s", "upstream_timeout"),
    ],
)
def test_silent_upstream_is_a_timeout(plain, streamed: bool, limit: str, code: str):
    """An upstream that says nothing for too long is a 504 whose code names the limit, and is hung up on."""
    gateway, server = plain(lambda exchange: exchange.wait_until_gone(), timeout={**TIMEOUT, limit: 0.5})
    answer = gateway.client.post("/endpoints/chat/invocations", json={**CHAT, "stream": streamed})
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == code
    assert answer.json()["detail"] == answer.json()["error"]["message"]
    assert server.requests.get(timeout=20).gone.wait(20)


def test_stream_that_falls_silent_is_a_timeout(plain):
    """A silence inside a stream longer than `idle` ends it in an error event."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event({"n": 0})
        exchange.wait_until_gone()

    gateway, _ = plain(script, timeout={**TIMEOUT, "idle_s": 0.1})
    with stream(gateway) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert json.loads(lines[-1].removeprefix("data: "))["error"]["code"] == "idle_timeout"


def test_spans_of_a_request(plain):
    """A SERVER span under the caller's, a CLIENT span under it, and the CLIENT span's context upstream."""
    gateway, server = plain(
        lambda exchange: exchange.answer(COMPLETION, headers="x-request-id: req-9\r\n"),
    )
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    answer = gateway.client.post(
        "/v1/chat/completions",
        json={**CHAT, "model": "chat", "temperature": 0.5, "max_tokens": 9, "seed": "wrong"},
        headers={"traceparent": f"00-{trace_id}-{parent_id}-01", "user-agent": "test/1", "x-key": "secret"},
    )
    assert answer.headers["x-tollway-trace-id"] == trace_id
    attempt = gateway.spans.wait_for("chat gpt-4")
    request = gateway.spans.wait_for("POST /v1/chat/completions")
    assert (request.kind, attempt.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert f"{request.context.trace_id:032x}" == trace_id
    assert f"{request.parent.span_id:016x}" == parent_id
    assert attempt.parent.span_id == request.context.span_id
    seen = server.requests.get_nowait()
    assert seen.headers["traceparent"] == f"00-{trace_id}-{attempt.context.span_id:016x}-01"
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": gateway.port,
        "client.address": "127.0.0.1",
        "user_agent.original": "test/1",
        "tollway.endpoint": "chat",
    }
    assert dict(attempt.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "plain",
        "gen_ai.request.model": "gpt-4",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4-0613",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "tollway.endpoint": "chat",
        "tollway.upstream.request_id": "req-9",
    }


def test_upstreams_key_appears_nowhere(plain):
    """An upstream's error is told without the key that was sent to it."""
    gateway, _ = plain(lambda exchange: exchange.answer({"m": "bad"}, 401))
    answer = gateway.client.post("/endpoints/chat/invocations", json=CHAT)
    spans = [gateway.spans.wait_for(name) for name in ("chat gpt-4", "POST /endpoints/{name}/invocations")]
    metrics, _ = gateway.app.metrics.render()
    assert "secret-key" not in answer.text + "".join(span.to_json() for span in spans) + metrics.decode()


def test_answer_that_is_none_is_a_502(plain):
    """An upstream's web page with status 200 is not passed off as an answer."""
    gateway, _ = plain(lambda exchange: exchange.answer(b"<html>"))
    answer = gateway.client.post("/endpoints/chat/invocations", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")


def test_dead_upstream_is_a_502(plain):
    gateway, server = plain(lambda exchange: None)
    server.close()
    answer = gateway.client.post("/endpoints/chat/invocations", json=CHAT)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")


def test_finished_stream_that_is_not_closed_ends_all_the_same(plain):
    """After `[DONE]` the caller's answer ends, whatever the upstream does with its connection."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event(b"[DONE]")
        exchange.wait_until_gone()

    gateway, _ = plain(script)
    with stream(gateway) as answer:
        assert [line for line in answer.iter_lines() if line] == ["data: [DONE]"]
    assert gateway.spans.wait_for("chat gpt-4").status.is_unset


def test_connections_to_the_upstream_are_kept(plain):
    """Whole answers and streams one after another share one connection."""

    def script(exchange):
        if not exchange.json.get("stream"):
            exchange.answer(COMPLETION)
            return
        exchange.begin_stream()
        exchange.event(b"[DONE]")
        exchange.end_stream()

    gateway, server = plain(script)
    for streamed in (True, False, True, False):
        gateway.client.post("/endpoints/chat/invocations", json={**CHAT, "stream": streamed})
    assert server.connections == 1


MODEL_S = 2.0
"""How long a model takes that is slower than we are on a busy machine."""


def overhead_s(gateway) -> float:
    """Return what `gateway_overhead_seconds` has in all, once the request is recorded."""
    gateway.spans.wait_for("POST /v1/chat/completions")
    labels = {"endpoint": "chat", "route": "/v1/chat/completions"}
    (total,) = [
        sample.value
        for family in gateway.app.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "gateway_overhead_seconds_sum" and labels.items() <= sample.labels.items()
    ]
    return total


def test_what_we_add_is_told_apart_from_the_models_time(plain):
    """`Server-Timing` and `gateway_overhead_seconds` leave out what was waited for the upstream."""
    gateway, _ = plain(lambda exchange: (threading.Event().wait(MODEL_S), exchange.answer(COMPLETION)))
    answer = gateway.client.post("/v1/chat/completions", json={**CHAT, "model": "chat"})
    upstream_ms, gateway_ms = (
        float(part.partition("dur=")[2]) for part in answer.headers["server-timing"].split(", ")
    )
    assert upstream_ms > 950 * MODEL_S > gateway_ms >= 0
    assert 0 < overhead_s(gateway) < 0.95 * MODEL_S


def test_the_waits_of_a_stream_are_the_models_too(plain):
    """Those inside of it, not only the first."""

    def script(exchange):
        exchange.begin_stream()
        exchange.event({"n": 0})
        threading.Event().wait(MODEL_S)
        exchange.end_stream()

    gateway, _ = plain(script)
    asked = {**CHAT, "model": "chat", "stream": True}
    assert 200 == gateway.client.post("/v1/chat/completions", json=asked).status_code
    assert 0 < overhead_s(gateway) < 0.95 * MODEL_S


@pytest.mark.parametrize("streamed", [False, True])
def test_a_wait_in_vain_is_not_ours_either(plain, streamed: bool):
    """A model that does not answer in time is waited for all the same."""
    gateway, _ = plain(lambda exchange: exchange.wait_until_gone(), timeout={**TIMEOUT, "total_s": MODEL_S})
    asked = {**CHAT, "model": "chat", "stream": streamed}
    assert 504 == gateway.client.post("/v1/chat/completions", json=asked).status_code
    assert 0 < overhead_s(gateway) < 0.95 * MODEL_S
