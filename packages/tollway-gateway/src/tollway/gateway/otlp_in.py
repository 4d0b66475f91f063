"""OTLP over HTTP from other services, for `POST /v1/traces` of the gateway and `tollway traces receive`.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

from tollway.gateway.guard.content_coding import CODINGS, CodingError, coding_of, decoded
from tollway.tracing import receiving

PATH = "/v1/traces"

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Of a request, as it is sent and decoded; exporters send far less."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]


class OTLPAnswer(NamedTuple):
    """What a sender gets."""

    status: int
    content_type: str
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Further headers: senders repeat a request later where one says when."""
        return {"retry-after": "1"} if self.status == 503 else {}


class RefusedError(Exception):
    """A request is not taken; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def respond(
    receiver: receiving.TraceReceiver, headers: Iterable[tuple[bytes, bytes]], body: bytes
) -> OTLPAnswer:
    """Take a request's spans in, and return the answer."""
    by_name = dict(headers)
    content_type = by_name.get(b"content-type", b"").decode("latin-1")
    try:
        coding = _known_coding(by_name.get(b"content-encoding", b""))
        said, kind = take(receiver, decoded_body(body, coding), content_type)
    except RefusedError as error:
        return _error(error.status, str(error))
    return OTLPAnswer(200, kind, said)


def take(receiver: receiving.TraceReceiver, body: bytes, content_type: str) -> tuple[bytes, str]:
    """Take a request's spans in; return the body of the answer and its media type. Raises RefusedError."""
    if receiver.is_behind:
        raise RefusedError(503, "the store is behind: send again in a moment")
    try:
        received = receiving.read(body, content_type)
    except LookupError:
        raise RefusedError(415, "the body must be application/x-protobuf or application/json") from None
    except receiving.BadRequestError as error:
        raise RefusedError(400, str(error)) from error
    receiver.take(received)
    return receiving.answer(received, content_type)


def _known_coding(content_encoding: bytes) -> str | None:
    try:
        return coding_of(content_encoding)
    except CodingError as error:
        known = ", ".join(CODINGS)
        raise RefusedError(415, f"the body's content coding is {error}: use {known}, or none") from None


def decoded_body(body: bytes, coding: str | None) -> bytes:
    """Return what a body stands for in its coding. Raises RefusedError."""
    too_large = RefusedError(413, f"the body is more than {MAX_BODY_BYTES} bytes")
    if len(body) > MAX_BODY_BYTES:
        raise too_large
    if coding is None:
        return body
    whole = bytearray()
    try:
        for piece in decoded(body, coding):
            whole += piece
            if len(whole) > MAX_BODY_BYTES:
                raise too_large
    except CodingError as error:
        raise RefusedError(400, f"the body {error}") from error
    return bytes(whole)


def _error(status: int, message: str) -> OTLPAnswer:
    return OTLPAnswer(status, "application/json", json.dumps({"code": status, "message": message}).encode())


def asgi_app(receiver: receiving.TraceReceiver) -> ASGIApp:
    """Return an application that serves `POST /v1/traces` and nothing else."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        if scope["path"] != PATH:
            answer = _error(404, f"spans go to {PATH}")
        elif scope["method"] != "POST":
            answer = _error(405, "spans are sent by POST")
        else:
            answer = respond(receiver, scope["headers"], await _body(receive))
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
            *((name.encode(), value.encode()) for name, value in answer.headers.items()),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return serve


async def _body(receive: Receive) -> bytes:
    """Read a body, at most one byte more than it may have."""
    body = bytearray()
    more = True
    while more and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)
