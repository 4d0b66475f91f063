"""The floor: the least that a proxy in Python can do. One ASGI callable, pyreqwest, no parsing, no
telemetry.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from pyreqwest.client import ClientBuilder

UPSTREAM = os.environ["UPSTREAM"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_client: Any = None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Forward a request, and its answer as it comes."""
    global _client  # noqa: PLW0603 - one client for the process, made on its event loop
    if scope["type"] != "http":
        return
    if _client is None:
        _client = await ClientBuilder().build().__aenter__()
    message = await receive()
    request = (
        _client.post(UPSTREAM + scope["path"])
        .header("content-type", "application/json")
        .body_bytes(message["body"])
    )
    if b'"stream":true' in message["body"]:
        await _stream(request, send)
        return
    response = await request.build().send()
    body = await response.bytes()
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": bytes(body)})


async def _stream(request: Any, send: Send) -> None:
    async with request.build_streamed() as response:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        while (chunk := await response.body_reader.read_chunk()) is not None:
            await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
        await send({"type": "http.response.body", "body": b""})
