"""Good input, which is then changed."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from support.dialects import Anthropic, OpenAI, complete

KEY = "tw-key-of-the-fuzzers"
"""Of a caller; most requests have it, so that they get to what is behind it."""

_KEYED = b"x-api-key: %b\r\n" % KEY.encode()

_CHAT = json.dumps({"messages": [{"role": "user", "content": "Hello?"}]}).encode()
_NAMED = json.dumps(
    {"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": True}
).encode()


def _post(path: bytes, body: bytes, fields: bytes = b"") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bContent-Length: %d\r\n\r\n"
    return head % (path, _KEYED + fields, len(body)) + body


def _chunked(path: bytes, body: bytes) -> bytes:
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
    return (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\n%bTransfer-Encoding: chunked\r\n\r\n"
        b"%b0\r\nX-Trailer: 1\r\n\r\n" % (path, _KEYED, chunks)
    )


REQUESTS: Sequence[bytes] = (
    _post(b"/endpoints/echo/invocations", _CHAT),
    _post(b"/v1/chat/completions", _NAMED),
    _post(
        b"/v1/chat/completions", _NAMED, b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
    ),
    _post(b"/gateway/echo/invocations", _CHAT, b"traceparent: 00-%032x-%016x-01\r\n" % (7, 7)),
    _chunked(b"/endpoints/echo/invocations", _CHAT),
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD /api/2.0/endpoints/?page_token=x HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAccept: */*\r\n\r\n",
    b"GET /metrics HTTP/1.0\r\n\r\n",
    b"POST /api/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nContent-Length: 0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
)


def _answer(body: bytes, content_type: bytes = b"application/json", status: bytes = b"200 OK") -> bytes:
    return (
        b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        % (
            status,
            content_type,
            len(body),
        )
        + body
    )


def _stream_of(events: Sequence[bytes]) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chunks + b"0\r\n\r\n"


_OPENAI = [*complete(OpenAI(), "m"), OpenAI().terminator]
_ANTHROPIC = [*complete(Anthropic(), "m"), Anthropic().terminator]
_ERROR = json.dumps(OpenAI().error("no", "some_error")).encode()

ANSWERS: Sequence[bytes] = (
    _answer(OpenAI().whole("m")),
    _answer(_ERROR, status=b"429 Too Many Requests"),
    _stream_of(_OPENAI),
    b"HTTP/1.1 100 Continue\r\n\r\n" + _answer(OpenAI().whole("m")),
    _answer(b"<html><title>Bad gateway</title><script>x</script></html>", b"text/html", b"502 Bad Gateway"),
)

_GEMINI: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2},
    "responseId": "r",
}
_COHERE: Sequence[dict[str, Any]] = (
    {"type": "message-start", "id": "m", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hi"}}}},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 5}}}},
)
_BEDROCK: Sequence[tuple[str, dict[str, Any]]] = (
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 5, "outputTokens": 2}}),
)


def _sse(*events: Any) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def _frame(kind: str, payload: dict[str, Any]) -> bytes:
    """Write a message of AWS's event stream."""
    header = b"\x0b:event-type\x07" + struct.pack(">H", len(kind)) + kind.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(header) + len(body), len(header))
    raw = prelude + struct.pack(">I", zlib.crc32(prelude)) + header + body
    return raw + struct.pack(">I", zlib.crc32(raw))


BODIES: Sequence[bytes] = (
    OpenAI().whole("m"),
    Anthropic().whole("m"),
    _ERROR,
    b"<html><title>x</title></html>",
    json.dumps(_GEMINI).encode(),
    b'{"id": "m", "finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "Hi"}]}}',
    b'{"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}',
)

STREAMS: Sequence[bytes] = (
    b"".join(_OPENAI),
    b"".join(_ANTHROPIC),
    b": ping\n\n" + b"".join(_OPENAI),
    _sse(_GEMINI),
    _sse(*_COHERE),
    _sse({"request_id": "r", "final_result": json.loads(OpenAI().whole("m"))}),
    b"".join(_frame(kind, payload) for kind, payload in _BEDROCK),
)

PAYLOADS: Sequence[dict[str, Any]] = (
    {"messages": [{"role": "user", "content": "Hello?"}], "temperature": 0.5, "max_tokens": 5, "n": 1},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What?"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "42"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "It does.",
                    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}},
                },
            }
        ],
        "tool_choice": "auto",
        "stop": ["\n"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": {"type": "object"}},
        },
    },
)

PROVIDERS: Mapping[str, dict[str, Any]] = {
    "openai": {"openai_api_key": "sk-fuzz"},
    "anthropic": {"anthropic_api_key": "sk-fuzz"},
    "mlflow-model-serving": {"model_server_url": "http://127.0.0.1:9"},
    "gemini": {"gemini_api_key": "fuzz"},
    "cohere": {"cohere_api_key": "fuzz"},
    "bedrock": {"aws_config": {"aws_bearer_token": "fuzz"}},
    "mistral": {"mistral_api_key": "fuzz"},
    "sap-ai-core": {"api_base": "http://127.0.0.1:9"},
}

_ENDPOINT = {
    "name": "chat",
    "endpoint_type": "llm/v1/chat",
    "model": {"provider": "openai", "name": "m", "config": {"openai_api_key": "$OPENAI_API_KEY"}},
    "limit": {"calls": 30, "renewal_period": "minute", "burst": 10, "key": "endpoint"},
    "timeout": {"connect": "5s", "first_token": 1, "idle": 2.5, "total": "1m"},
    "retry": {"attempts": 2, "backoff": "500ms", "max_backoff": "8s", "budget": "20%"},
    "hedge": {"after": "p95", "budget": "5%"},
    "breaker": {"consecutive_failures": 5, "open_for": "5s"},
    "concurrency": {"max_in_flight": 5, "max_queue": 5, "max_wait": "1s"},
    "stream_recovery": "continue",
    "fallback": ["other"],
}

CONFIGS: Sequence[bytes] = (
    yaml.safe_dump(
        {
            "endpoints": [_ENDPOINT, {**_ENDPOINT, "name": "other", "fallback": []}],
            "routes": [
                {
                    "name": "split",
                    "task_type": "llm/v1/chat",
                    "destinations": [
                        {"name": "chat", "traffic_percentage": 80},
                        {"name": "other", "traffic_percentage": 20},
                    ],
                    "routing_strategy": "TRAFFIC_SPLIT",
                }
            ],
            "tracing": {"sampling_rate": 0.5, "slow_threshold_ms": 10, "store": {"path": "traces"}},
            "server": {"max_body_bytes": 10, "drain_timeout": 0, "allowed_hosts": ["a"]},
        }
    ).encode(),
)
