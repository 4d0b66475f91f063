"""The SERVER span of each request of an ASGI application, by the HTTP semantic conventions.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server. Query strings and headers are
recorded only when asked for: both carry keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from contextlib import suppress
from typing import Any, TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode, TracerProvider

from ._json import text_of
from ._redaction import redacted_query
from .propagation import extract

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"}
)

_FASTAPI = "fastapi.telemetry"
"""Where FastAPI notes in the scope that its own telemetry is at work: it does not begin a second time."""

_MAX_TEXT = 1024
"""Characters of a caller's string that are kept."""


class TraceMiddleware:
    """Makes a span of every HTTP request and WebSocket, a child of the caller's by its headers.

    The span is current while the application runs, streamed bodies included. It ends with the last byte of
    the answer; after a 5xx with the application, which may still raise. It is an ERROR after a 5xx, an
    exception or an answer that was not finished. A caller that hung up is nobody's error, but an event,
    `client_disconnected`.

    `excluded` are paths that are passed through, exact or, with a `*` at the end, by their beginning. Headers
    named in `capture_request_headers` and `capture_response_headers` become attributes, and with
    `capture_query` the query string does (`url.query`), in which the values of parameters that are named like
    secrets are replaced. FastAPI's own telemetry rests inside: one SERVER span a request, not two in two
    traces. Without a tracer provider no span is made, and the caller's context is passed on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tracer_provider: TracerProvider | None = None,
        excluded: Collection[str] = (),
        capture_request_headers: Iterable[str] = (),
        capture_response_headers: Iterable[str] = (),
        capture_query: bool = False,
    ) -> None:
        if isinstance(excluded, str):
            raise TypeError("excluded is a list of paths")
        self._app = app
        self._tracer = trace.get_tracer("tollway.tracing.asgi", tracer_provider=tracer_provider)
        self._excluded = frozenset(path for path in excluded if not path.endswith("*"))
        self._excluded_beginnings = tuple(path[:-1] for path in excluded if path.endswith("*"))
        self._request_headers = _attribute_names("request", capture_request_headers)
        self._response_headers = _attribute_names("response", capture_response_headers)
        self._capture_query = capture_query

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, within a span where the scope is a request."""
        if scope["type"] not in ("http", "websocket") or self._is_excluded(scope["path"]):
            await self._app(scope, receive, send)
            return
        parent, kind = _parent(scope)
        method = scope.get("method", "GET")  # a WebSocket begins as one
        name = method if method in _METHODS else "HTTP"
        attributes = _attributes(scope, method, self._request_headers)
        if self._capture_query and (query := scope.get("query_string")):
            attributes["url.query"] = redacted_query(query.decode("latin-1"))[:_MAX_TEXT]
        span = self._tracer.start_span(name, parent, kind, attributes)
        token = otel_context.attach(trace.set_span_in_context(span, parent))
        if span.get_span_context().is_valid:
            scope.setdefault(_FASTAPI, None)
        try:
            if span.is_recording():
                exchange = _Exchange(span, name, scope, receive, send, self._response_headers)
                await exchange.run(self._app)
            else:
                await self._app(scope, receive, send)
        finally:
            otel_context.detach(token)

    def _is_excluded(self, path: str) -> bool:
        return path in self._excluded or path.startswith(self._excluded_beginnings)


class _Exchange:
    """One request and its answer, watched in passing."""

    def __init__(
        self,
        span: Span,
        name: str,
        scope: Scope,
        receive: Receive,
        send: Send,
        captured: dict[bytes, str],
    ) -> None:
        self._span = span
        self._name = name
        self._scope = scope
        self._receive_inner = receive
        self._send_inner = send
        self._captured = captured
        self._status = 0
        self._trailers = False
        self._answered = scope["type"] == "websocket"  # its end is the application's
        self._gone = False
        self._ended = False

    async def run(self, app: ASGIApp) -> None:
        """Run the application; what it raises goes on."""
        try:
            await app(self._scope, self._receive, self._send)
        except BaseException as error:
            self._raised(error)
            raise
        else:
            if not self._answered and not self._gone:
                self._failed("incomplete_response", "the application returned before its answer was complete")
        finally:
            self._end()

    async def _receive(self) -> Message:
        message = await self._receive_inner()
        if message["type"] == "http.disconnect" and not self._answered:
            self._hung_up()
        return message

    async def _send(self, message: Message) -> None:
        begin = _BEGINNINGS.get(message["type"])
        if begin is not None:
            begin(self, message)
        try:
            await self._send_inner(message)
        except OSError:  # how servers of ASGI 2.4 say that the caller is gone
            self._hung_up()
            raise
        if not self._answered and self._is_last(message):
            self._answered = True
            if self._status < 500:
                self._end()

    def _is_last(self, message: Message) -> bool:
        """Say whether the answer is complete with this message."""
        match message["type"]:
            case "http.response.body" | "http.response.zerocopysend":
                return not message.get("more_body", False) and not self._trailers
            case "http.response.pathsend":
                return not self._trailers
            case "http.response.trailers":
                return not message.get("more_trailers", False)
        return False

    def _started(self, message: Message) -> None:
        self._trailers = message.get("trailers", False)
        self._has_status(message["status"])
        if self._captured:
            self._span.set_attributes(_captured(message.get("headers", ()), self._captured))

    def _accepted(self, _message: Message) -> None:
        self._has_status(101)

    def _closed(self, _message: Message) -> None:
        if not self._status:  # refused: servers answer the handshake so
            self._has_status(403)

    def _has_status(self, status: int) -> None:
        self._status = status
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))

    def _hung_up(self) -> None:
        if not (self._gone or self._ended):
            self._gone = True
            self._span.add_event("client_disconnected")

    def _raised(self, error: BaseException) -> None:
        if self._ended or (self._gone and _is_hang_up(error)):
            return
        with suppress(Exception):  # another provider's span calls `str`, which may raise
            self._span.record_exception(error)
        kind = type(error)
        self._failed(kind.__qualname__, f"{kind.__name__}: {text_of(error)}")

    def _failed(self, kind: str, description: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, description[:_MAX_TEXT]))

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        route = _route(self._scope)
        if route:
            self._span.update_name(f"{self._name} {route}")
            self._span.set_attribute("http.route", route)
        self._span.end()


_BEGINNINGS: dict[str, Callable[[_Exchange, Message], None]] = {
    "http.response.start": _Exchange._started,
    "websocket.http.response.start": _Exchange._started,
    "websocket.accept": _Exchange._accepted,
    "websocket.close": _Exchange._closed,
}


def _is_hang_up(error: BaseException) -> bool:
    """Say whether this is how an application learns that its caller is gone; Starlette raises its own."""
    return isinstance(error, (asyncio.CancelledError, OSError)) or type(error).__name__ == "ClientDisconnect"


def _parent(scope: Scope) -> tuple[Context, SpanKind]:
    """Return the context of the request's span: the caller's, on top of what surrounds us.

    A span around us is the server's own, unless it is a SERVER span: then another middleware has made this
    request's, and ours is a part of it.
    """
    surrounding = otel_context.get_current()
    current = trace.get_current_span(surrounding)
    if getattr(current, "kind", None) is SpanKind.SERVER:
        return surrounding, SpanKind.INTERNAL
    if current is not INVALID_SPAN:
        surrounding = trace.set_span_in_context(INVALID_SPAN, surrounding)
    return extract(scope["headers"], surrounding), SpanKind.SERVER


def _attributes(scope: Scope, method: str, captured: dict[bytes, str]) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "url.path": scope["path"][:_MAX_TEXT],
        "url.scheme": scope.get("scheme", "ws" if scope["type"] == "websocket" else "http"),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    if method not in _METHODS:
        attributes["http.request.method_original"] = method[:_MAX_TEXT]
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    host = b""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")[:_MAX_TEXT]
        elif name == b"host":
            host = value
    address, port = _host(host.decode("latin-1")) if host else scope.get("server") or (None, None)
    if address is not None:
        attributes["server.address"] = address[:_MAX_TEXT]
    if port is not None:
        attributes["server.port"] = port
    if captured:
        attributes.update(_captured(scope["headers"], captured))
    return attributes


def _host(value: str) -> tuple[str, int | None]:
    """Return address and port of a Host header; an IPv6 address without its brackets."""
    address, colon, port = value.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit() and len(port) <= 5):
        return value.strip("[]"), None
    return address.strip("[]"), int(port)


def _route(scope: Scope) -> str | None:
    """Return the path's template, if the framework left one in `scope["route"]`, mounts included."""
    route = scope.get("route")
    path = getattr(route, "path", route)
    if not isinstance(path, str):
        return None
    root: str = scope.get("root_path", "")
    values = {str(value) for value in scope.get("path_params", {}).values()}
    if values & set(root.split("/")):  # a mount's own parameter: its value must not become a span's name
        return path
    is_mount = route is not path and hasattr(route, "routes")
    return root if is_mount and root else root + path


def _attribute_names(kind: str, headers: Iterable[str]) -> dict[bytes, str]:
    if isinstance(headers, str):
        raise TypeError("headers to capture are a list of names")
    return {name.lower().encode(): f"http.{kind}.header.{name.lower()}" for name in headers}


def _captured(headers: Iterable[tuple[bytes, bytes]], names: dict[bytes, str]) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        attribute = names.get(name.lower())
        if attribute is not None:
            found.setdefault(attribute, []).append(value.decode("latin-1")[:_MAX_TEXT])
    return dict(found)
