"""An OTLP/HTTP receiver that only counts: it answers at once, keeps the bodies, and counts their spans when
asked.

`POST` of any path is an export, protobuf or JSON, gzip or not; `GET /count` answers the number of spans
received.
"""

from __future__ import annotations

import gzip
import http.server
import json
import sys
import threading

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_bodies: list[tuple[str, bytes]] = []
_lock = threading.Lock()


def _spans_in(content_type: str, body: bytes) -> int:
    if body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    if "json" in content_type:
        resources = json.loads(body).get("resourceSpans", [])
        return sum(len(scope["spans"]) for resource in resources for scope in resource["scopeSpans"])
    request = ExportTraceServiceRequest.FromString(body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


class _Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self._body()
        with _lock:
            _bodies.append((self.headers.get("content-type", ""), body))
        self._answer(b"{}" if "json" in self.headers.get("content-type", "") else b"")

    def do_GET(self) -> None:
        with _lock:
            count = sum(_spans_in(kind, body) for kind, body in _bodies)
        self._answer(str(count).encode())

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", self.headers.get("content-type", "text/plain"))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the benchmark's output is its table."""


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), server.shutdown()), daemon=True).start()
    server.serve_forever()
