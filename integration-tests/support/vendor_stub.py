"""One server that answers as Gemini, Bedrock and Cohere do, for requests that carry their keys.

Written after https://ai.google.dev/api/generate-content,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and
https://docs.cohere.com/reference/chat.
"""

from __future__ import annotations

import json
import queue
import struct
import threading
import zlib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

KEY = "the-stubs-only-key"
TEXT = "Grüße 🛣"
HALVES = (TEXT[:3], TEXT[3:])


class Answer(NamedTuple):
    """What the stub sends: a whole body or a stream, with its media type."""

    body: bytes
    media_type: str = "application/json"
    status: int = 200


class VendorStub:
    """The server; `cut` drops that many bytes from the end of streams."""

    def __init__(self) -> None:
        self.requests: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.cut = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
        """Answer one request."""
        self.requests.put((path, body))
        for sign, vendor in _VENDORS.items():
            if sign in path:
                return vendor(path, headers, body)
        return Answer(b'{"message": "there is no such path"}', status=404)


def _handler(stub: VendorStub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = stub.answer(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            sent = answer.body[: -stub.cut] if stub.cut else answer.body
            self.send_response(answer.status)
            self.send_header("content-type", answer.media_type)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for start in range(0, len(sent), 50):
                piece = sent[start : start + 50]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _gemini(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
    if headers.get("x-goog-api-key") != KEY:
        detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
        said = {
            "code": 400,
            "message": "API key not valid.",
            "status": "INVALID_ARGUMENT",
            "details": [detail],
        }
        return Answer(json.dumps({"error": said}).encode(), status=400)
    if "streamGenerateContent?alt=sse" not in path:
        return Answer(json.dumps(_candidate(TEXT, "STOP")).encode())
    parts = [_candidate(HALVES[0], None), _candidate(HALVES[1], "STOP")]
    events = b"".join(b"data: %b\r\n\r\n" % json.dumps(part).encode() for part in parts)
    return Answer(events, "text/event-stream")


def _candidate(text: str, finish: str | None) -> dict[str, Any]:
    content = {"role": "model", "parts": [{"text": text}]}
    candidate = {"content": content, "index": 0, **({"finishReason": finish} if finish else {})}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": "gemini-3",
        "responseId": "r-1",
    }


def _bedrock(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
    if f"Credential={KEY}/" not in headers.get("authorization", ""):
        return Answer(b'{"message": "The security token is invalid."}', status=403)
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    if path.endswith("/converse"):
        message = {"role": "assistant", "content": [{"text": TEXT}]}
        whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
        return Answer(json.dumps(whole).encode())
    events = [
        ("messageStart", {"role": "assistant"}),
        *(("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": half}}) for half in HALVES),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage}),
    ]
    return Answer(b"".join(_frame(*event) for event in events), "application/vnd.amazon.eventstream")


def _frame(kind: str, payload: dict[str, Any]) -> bytes:
    header = b"\x0b:event-type\x07" + struct.pack(">H", len(kind)) + kind.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(header) + len(body), len(header))
    raw = prelude + struct.pack(">I", zlib.crc32(prelude)) + header + body
    return raw + struct.pack(">I", zlib.crc32(raw))


def _cohere(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Answer:
    if headers.get("authorization") != f"Bearer {KEY}":
        return Answer(b'{"message": "invalid api token"}', status=401)
    usage = {"billed_units": {"input_tokens": 5, "output_tokens": 2}}
    if not body.get("stream"):
        message = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
        whole = {"id": "c-1", "finish_reason": "COMPLETE", "message": message, "usage": usage}
        return Answer(json.dumps(whole).encode())
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": "c-1", "delta": {"message": {"role": "assistant"}}},
        *(
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": half}}}}
            for half in HALVES
        ),
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]
    said = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    return Answer(b"".join(said), "text/event-stream")


_VENDORS: Mapping[str, Callable[[str, Mapping[str, str], dict[str, Any]], Answer]] = {
    "/v1beta/models/": _gemini,
    "/model/": _bedrock,
    "/v2/chat": _cohere,
}
