"""Stage one of a request that passes raw: whom it is for, and what of it goes on; its body may still come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tollway.gateway.apis import APICall
from tollway.gateway.apis.passthrough import BODILESS, PASSTHROUGH
from tollway.gateway.config.values import ServerConfig
from tollway.gateway.errors import CallerGone, RequestRejected, overloaded, too_large
from tollway.gateway.guard.memory import Hold
from tollway.gateway.upstream import Upload
from tollway.provider.json_text import TooDeepError, spliced

from .authenticate import Caller
from .compressed_body import decompress
from .deadline import Receive
from .exchange import Exchange
from .form_data import model_in
from .plan import Destination
from .raw_headers import Headers, request_headers
from .raw_path import query_of, split_target
from .request import header_of, named, parse_object, receive_body
from .routes import HTTPRoute

_REFUSED = frozenset({"TRACE", "CONNECT"})
"""The one tells the caller what the gateway adds, the other is for proxies."""


@dataclass(slots=True)
class RawCall(APICall):
    """A request that passes raw: `path` is that below the base URL of the service, with its query.

    With `is_model` it is a method of the endpoint's model. `body` is the whole body, or it still comes by
    `upload`; `written_for` writes it for a model, where its `model` named the endpoint.
    """

    method: str = field(kw_only=True)
    path: str = field(kw_only=True)
    headers: Headers = field(kw_only=True)
    is_model: bool = False
    upload: Upload | None = None
    written_for: Callable[[str], bytes] | None = None


async def read_raw(
    route: HTTPRoute,
    scope: MutableMapping[str, Any],
    receive: Receive,
    exchange: Exchange | None,
    bounds: ServerConfig,
    hold: Hold,
    *,
    caller: Caller,
) -> tuple[Destination, RawCall]:
    """Return whom a request is for, and what passes; see `request.read`.

    Only JSON, and what `model` names, is read whole.
    """
    form = route.raw
    assert form is not None
    method = scope["method"]
    if method in _REFUSED or (form.path and method != "POST"):
        lines = b"allow: POST\r\n" if form.path else b""
        raise RequestRejected(405, "method_not_allowed", f"{method} does not pass", header_lines=lines)
    reading = _Reading(scope["headers"], receive, exchange, bounds, hold)
    if form.path:
        return await _by_model(route, scope, reading, caller)
    name, path = split_target(scope["raw_path"], form, route.destinations, route.deepest)
    caller.check(name)
    body, upload = await reading.begin()
    call = RawCall(
        PASSTHROUGH.task,
        {},
        body,
        api=PASSTHROUGH if body or upload else BODILESS,
        method=method,
        path=path + query_of(scope.get("query_string", b"")),
        headers=request_headers(scope["headers"], keeps_coding=True),
        is_model=form.is_model,
        upload=upload,
    )
    return route.destinations[name], call


async def _by_model(
    route: HTTPRoute, scope: MutableMapping[str, Any], reading: _Reading, caller: Caller
) -> tuple[Destination, RawCall]:
    body = await reading.decoded()
    payload: dict[str, Any] = {}
    written_for: Callable[[str], bytes]
    if reading.media_type == b"multipart/form-data":
        found = model_in(body, reading.content_type)
        model: Any = found.text
        written_for = found.written_for
    else:
        payload = parse_object(body, reading.bounds.max_json_nodes)
        model = payload.get("model")
        written_for = partial(_spliced, body, payload)
        reading.measure(body, payload)
    assert route.raw is not None
    return named(model, payload, route, caller, is_any=True), RawCall(
        PASSTHROUGH.task,
        payload,
        body,
        api=PASSTHROUGH,
        method="POST",
        path=route.raw.path + query_of(scope.get("query_string", b"")),
        headers=request_headers(scope["headers"], keeps_coding=False),
        written_for=written_for,
    )


def _spliced(body: bytes, payload: dict[str, Any], model: str) -> bytes:
    try:
        return spliced(body, payload, {"model": model})
    except TooDeepError:
        raise RequestRejected(400, "json_too_deep", "the JSON is nested too deep") from None


class _Reading:
    """Reads the body of one request: whole, or as it comes."""

    def __init__(
        self,
        headers: list[tuple[bytes, bytes]],
        receive: Receive,
        exchange: Exchange | None,
        bounds: ServerConfig,
        hold: Hold,
    ) -> None:
        self._headers = headers
        self._receive = receive
        self._exchange = exchange
        self.bounds = bounds
        self._hold = hold
        self.content_type = header_of(headers, b"content-type")
        self.media_type = self.content_type.partition(b";")[0].strip().lower()

    async def begin(self) -> tuple[bytes, Upload | None]:
        """Return a body that is here or is JSON, else what it comes by: then no more than a piece is held."""
        body = None if self._exchange is None else self._exchange.whole_body()
        if body is not None or self._exchange is None or self.media_type == b"application/json":
            return await self.whole(body), None
        max_bytes = self.bounds.max_body_bytes
        given = header_of(self._headers, b"content-length")
        length = int(given) if given.isdigit() else None
        if length is not None and length > max_bytes:
            raise too_large(max_bytes)
        return b"", Upload(length, _Pieces(self._receive, max_bytes).read)

    async def whole(self, body: bytes | None) -> bytes:
        """Read the body to its end."""
        max_bytes = self.bounds.max_body_bytes
        if body is None:
            body = await receive_body(self._headers, self._receive, max_bytes, self._hold)
        if len(body) > max_bytes:
            raise too_large(max_bytes)
        if not self._hold.grow_to(2 * len(body)):
            raise overloaded()
        return body

    async def decoded(self) -> bytes:
        """Read the body to its end, and undo its content coding."""
        body = await self.whole(None if self._exchange is None else self._exchange.whole_body())
        coding = header_of(self._headers, b"content-encoding")
        return decompress(body, coding, self.bounds.max_body_bytes, self._hold) if coding else body

    def measure(self, body: bytes, payload: object) -> None:
        """Hold the memory of what was parsed."""
        if not self._hold.grow_to(self._hold.measure(body, payload)):
            raise overloaded()


class _Pieces:
    """A body of at most so many bytes, piece by piece."""

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._read_bytes = 0
        self._has_ended = False

    async def read(self) -> bytes:
        """See `Upload.read`."""
        while not self._has_ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerGone
            self._has_ended = not message.get("more_body", False)
            body: bytes = message.get("body", b"")
            self._read_bytes += len(body)
            if self._read_bytes > self._max_bytes:
                raise too_large(self._max_bytes)
            if body:
                return body
        return b""


async def whole_upload(upload: Upload) -> bytes:
    """Read a body that comes in pieces to its end, for a service that wants it signed."""
    body = bytearray()
    while piece := await upload.read():
        body += piece
    return bytes(body)
