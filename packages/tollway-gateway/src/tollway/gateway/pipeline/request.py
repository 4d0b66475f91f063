"""Stage one: a body of bytes becomes a checked call for a destination.

Every fault is the caller's; what is in the body is for its API to check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import orjson

from tollway.gateway.apis import APICall
from tollway.gateway.apis.checks import ACTED_ON, MODEL, no_model
from tollway.gateway.config.values import ServerConfig
from tollway.gateway.errors import CallerGone, RequestRejected, overloaded, too_large
from tollway.gateway.guard.json_scan import scan
from tollway.gateway.guard.json_size import BYTES_PER_NODE, nodes_of
from tollway.gateway.guard.memory import Hold
from tollway.provider.json_text import TooDeepError, members
from tollway.provider.scanned import ScannedObject

from .authenticate import ANONYMOUS, Caller
from .compressed_body import decompress
from .deadline import Receive
from .exchange import Exchange
from .plan import Destination
from .routes import HTTPRoute, matching

_LARGE_BYTES = 16 * 1024

_MAX_PIECES = 256
"""Pieces of a body that are held one by one."""

_COPIES = 2
"""Of a large body, in memory: as it came, and as it is sent."""

_KEYS = frozenset(ACTED_ON)
_KEY = re.compile(rb'"(?:%b)"\s*:' % "|".join(ACTED_ON).encode())


async def read(
    route: HTTPRoute,
    scope: MutableMapping[str, Any],
    receive: Receive,
    exchange: Exchange | None,
    bounds: ServerConfig,
    hold: Hold,
    *,
    caller: Caller,
) -> tuple[Destination, APICall]:
    """Read a request whole, and return whom it is for and what is asked.

    A body that is too large is refused before it is held; the server swallows the rest.
    """
    if scope["method"] != "POST":
        raise RequestRejected(405, "method_not_allowed", "use POST", header_lines=b"allow: POST\r\n")
    if route.missing is not None:
        raise RequestRejected(404, "endpoint_not_found", route.missing(caller))
    headers = scope["headers"]
    coding = b""
    for name, value in headers:
        if name == b"content-encoding":
            coding += b"," + value
    body = None if exchange is None else exchange.whole_body()
    if body is None:
        body = await receive_body(headers, receive, bounds.max_body_bytes, hold)
    if len(body) > bounds.max_body_bytes:
        raise too_large(bounds.max_body_bytes)
    if coding:
        body = decompress(body, coding, bounds.max_body_bytes, hold)
    payload = parse_object(body, bounds.max_json_nodes)
    destination = route.destination or named(payload.get(MODEL), payload, route, caller)
    call = route.api.call(payload, body, scope)
    call.caller = caller.name
    if not hold.grow_to(
        payload.memory_bytes if isinstance(payload, ScannedObject) else hold.measure(body, payload)
    ):
        raise overloaded()
    return destination, call


def header_of(headers: Iterable[tuple[bytes, bytes]], sought: bytes) -> bytes:
    """Return the value of a header; of several, joined by commas (RFC 9110, section 5.3)."""
    return b",".join([value for name, value in headers if name == sought])


async def receive_body(
    headers: Iterable[tuple[bytes, bytes]], receive: Receive, max_bytes: int, hold: Hold
) -> bytes:
    """Receive a body whole. Raises RequestRejected: it is too large, or there is no memory for it."""
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > max_bytes:
            raise too_large(max_bytes)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        return await _read_on(body, receive, max_bytes, hold)
    if message["type"] == "http.disconnect":
        raise CallerGone
    return body


async def _read_on(first: bytes, receive: Receive, max_bytes: int, hold: Hold) -> bytes:
    pieces, size = [first], len(first)
    joined = 0
    more = True
    while size <= max_bytes:
        if not hold.grow_to(size):
            raise overloaded()
        if not more:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        more = message.get("more_body", False)
        if len(pieces) - joined > _MAX_PIECES:  # small ones take much more memory than their bytes
            pieces[joined:] = [b"".join(pieces[joined:])]
            joined += 1
    return b"".join(pieces)


def parse_object(body: bytes, max_nodes: int) -> dict[str, Any]:
    """Parse the body, once; it must be a JSON object of at most so many nodes (see `guard.json_size`).

    A large one is scanned instead, if there is nothing unusual about it.
    """
    if len(body) >= _LARGE_BYTES and (found := scan(body)) is not None and found[1] <= max_nodes:
        places, nodes, width = found
        return ScannedObject(body, places, (_COPIES + width) * len(body) + BYTES_PER_NODE * nodes)
    if len(body) > max_nodes and nodes_of(body, max_nodes) > max_nodes:
        message = f"the JSON has more than the {max_nodes} values that are allowed; an object counts as three"
        raise RequestRejected(413, "json_too_large", message)
    try:
        payload = orjson.loads(body)
    except ValueError as error:
        raise RequestRejected(400, "invalid_json", f"the body is not valid JSON: {error}") from None
    if not isinstance(payload, dict):
        raise RequestRejected(400, "invalid_type", "the body must be a JSON object")
    # A key that stands there twice, or is written with escapes, is looked for exactly.
    if len(_KEY.findall(body)) != len(_KEYS & payload.keys()) or b"\\u00" in body:
        _refuse_duplicates(body)
    return payload


def _refuse_duplicates(body: bytes) -> None:
    """Refuse a body that says twice what the gateway acts on: a model's service may take the other one."""
    seen = set()
    try:
        for key, _, _ in members(body):
            if key in seen and key in _KEYS:
                raise RequestRejected(400, "duplicate_key", f"{key!r} stands there twice", param=key)
            seen.add(key)
    except TooDeepError:
        raise RequestRejected(400, "json_too_deep", "the JSON is nested too deep") from None


def named(
    model: Any, payload: Mapping[str, Any], route: HTTPRoute, caller: Caller, *, is_any: bool = False
) -> Destination:
    """Return what `model` names; reject with a hint when it names nothing, or something of another kind.

    With `is_any`, it may be of any kind.
    """
    task, destinations = route.api.task, route.destinations
    if not isinstance(model, str):
        raise no_model(payload)
    destination = destinations.get(model) or matching(route.patterns, model, task)
    if destination is not None:
        if caller is not ANONYMOUS:
            caller.check(destination.name)
        if is_any or destination.task is task:
            return destination
    fitting = [
        name
        for name, known in destinations.items()
        if (is_any or known.task is task) and caller.may_use(name)
    ]
    message = (
        f"no endpoint or route named {model[:100]!r} serves {'this' if is_any else task}"
        if destination is None
        else f"{model!r} serves {destination.task}, not {task}"
    )
    raise RequestRejected(
        404, "model_not_found", f"{message}; there are: {', '.join(fitting) or 'none'}", param=MODEL
    )
