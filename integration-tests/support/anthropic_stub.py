"""A server that speaks Anthropic's Messages API as documented, and refuses whatever the API refuses.

https://platform.claude.com/docs/en/api/messages and https://platform.claude.com/docs/en/api/errors
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support import anthropic_schema
from support.processes import WAIT_S

KEY = "sk-ant-the-stubs-only-key"
REQUEST_ID = "req_stub"


@dataclass(frozen=True)
class Reply:
    """A message to answer with; `break_after` events of a stream, `breaks` says how it goes on."""

    content: list[dict[str, Any]]
    stop_reason: str = "end_turn"
    usage: dict[str, Any] = field(default_factory=lambda: {"input_tokens": 5, "output_tokens": 2})
    stop_details: dict[str, Any] | None = None
    break_after: int | None = None
    breaks: Failure | None = None


@dataclass(frozen=True)
class Failure:
    """An error to answer with."""

    status: int
    kind: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return what the API says."""
        error = {"type": self.kind, "message": self.message}
        return {"type": "error", "error": error, "request_id": REQUEST_ID}


Script = Callable[[dict[str, Any]], Reply | Failure]


def text(said: str) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": said, "citations": None}


def thinking(said: str) -> dict[str, Any]:
    """Return a block of thinking, signed."""
    return {"type": "thinking", "thinking": said, "signature": anthropic_schema.sign(said)}


def tool_use(id: str, name: str, **arguments: Any) -> dict[str, Any]:
    """Return a block that calls a tool."""
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def hello(body: dict[str, Any]) -> Reply:
    """Greet."""
    return Reply([text("Hello.")])


class AnthropicStub:
    """The server; each request that is right goes to the test's `script`."""

    def __init__(self, script: Script = hello) -> None:
        self.script = script
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self.headers: queue.Queue[dict[str, str]] = queue.Queue()
        stub = self

        class Handler(_Handler):
            def reply_to(self, body: dict[str, Any]) -> Reply | Failure:
                stub.requests.put(body)
                stub.headers.put({name.lower(): value for name, value in self.headers.items()})
                return stub.script(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def next_request(self) -> dict[str, Any]:
        """Return the body of the next request that was right."""
        return self.requests.get(timeout=WAIT_S)

    def next_headers(self) -> dict[str, str]:
        """Return its headers."""
        return self.headers.get(timeout=WAIT_S)

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply_to(self, body: dict[str, Any]) -> Reply | Failure:
        raise NotImplementedError

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one request."""
        data = self.rfile.read(int(self.headers.get("content-length", 0)))
        body, reply = self._judge(data)
        if reply is None:
            reply = self.reply_to(body)
        if isinstance(reply, Failure):
            self._send(reply.status, reply.body(), reply.headers)
        elif body.get("stream"):
            self._stream(reply, body["model"])
        else:
            self._send(200, _message(reply, body["model"]), {})

    def _judge(self, data: bytes) -> tuple[dict[str, Any], Failure | None]:
        """Return the request, and why it is refused."""
        wrong = self._wrong_headers()
        if wrong:
            return {}, wrong
        try:
            body = json.loads(data)
            version, betas = self.headers["anthropic-version"], self.headers["anthropic-beta"]
            anthropic_schema.check(body, version, beta=bool(betas))
        except (ValueError, anthropic_schema.RefusalError) as problem:
            return {}, Failure(400, "invalid_request_error", str(problem))
        return body, None

    def _wrong_headers(self) -> Failure | None:
        if self.path.partition("?")[0] != "/v1/messages":
            return Failure(404, "not_found_error", "Not found")
        bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if (self.headers.get("x-api-key") or bearer) != KEY:
            return Failure(401, "authentication_error", "invalid x-api-key")
        if self.headers.get("anthropic-version") not in anthropic_schema.VERSIONS:
            return Failure(400, "invalid_request_error", "anthropic-version: not a valid version")
        if self.headers.get_content_type() != "application/json":
            return Failure(400, "invalid_request_error", "content-type: must be application/json")
        return None

    def _send(self, status: int, value: Any, headers: dict[str, str]) -> None:
        body = json.dumps(value).encode()
        self._head(status, {"content-type": "application/json", "content-length": str(len(body)), **headers})
        self.wfile.write(body)

    def _stream(self, reply: Reply, model: str) -> None:
        self._head(200, {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"})
        with suppress(OSError):  # the caller may hang up
            for number, event in enumerate(_events(reply, model)):
                if number == reply.break_after:
                    self._break(reply.breaks)
                    return
                self._event(event)
            self.wfile.write(b"0\r\n\r\n")

    def _break(self, failure: Failure | None) -> None:
        """Say an error in mid-stream, or nothing at all; the stream is closed in good order all the same."""
        if failure is not None:
            self._event(failure.body())
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict[str, Any]) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"request-id": REQUEST_ID, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _message(reply: Reply, model: str) -> dict[str, Any]:
    return {
        "id": "msg_stub",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": reply.content,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "stop_details": reply.stop_details,
        "usage": reply.usage,
    }


def _events(reply: Reply, model: str) -> Iterator[dict[str, Any]]:
    """Yield a message in the documented order of events; every text in pieces."""
    first = {"content": [], "stop_reason": None, "stop_details": None}
    start = {**_message(reply, model), **first, "usage": {**reply.usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": start}
    yield {"type": "ping"}
    for index, block in enumerate(reply.content):
        empty, deltas = _pieces(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": None, "stop_details": reply.stop_details}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": reply.usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it begins, and what is then added to it."""
    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": one} for one in _halves(block["text"])]
    if block["type"] == "thinking":
        halves = [{"type": "thinking_delta", "thinking": one} for one in _halves(block["thinking"])]
        signed = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*halves, signed]
    if block["type"] == "tool_use":
        arguments = json.dumps(block["input"]) if block["input"] else ""
        pieces = ["", *_halves(arguments)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": one} for one in pieces]
    return block, []


def _halves(said: str) -> list[str]:
    middle = len(said) // 2
    return [part for part in (said[:middle], said[middle:]) if part]
