"""The control plane as the gateway starts it: probes at once, everything else when somebody first asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from importlib import import_module
from typing import Any

from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig

from .first_use import FirstUse
from .probes import METRICS, Probes

_READING = frozenset({"GET", "HEAD"})

_METHODS = b"GET, HEAD, OPTIONS, POST"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]


def create_control_app(
    config: GatewayConfig,
    *,
    metrics: Callable[[str], tuple[bytes, str]],
    ready: Callable[[], bool],
    tracer_provider: TracerProvider | None = None,
) -> ASGIApp:
    """Return the application that serves every path which is not the data plane's.

    `metrics` renders the exposition for an Accept header; `ready` says whether requests are to be sent here.
    """
    probes = Probes(metrics, ready)

    def build() -> ASGIApp:
        from .app import build_app

        return build_app(config, probes, tracer_provider)

    return ControlPlane(probes, build)


class ControlPlane:
    """Answers probes itself; for other requests there is the application that `build` makes at the first."""

    def __init__(self, probes: Probes, build: Callable[[], ASGIApp]) -> None:
        self._probes = probes
        self._app = FirstUse(build)
        self._exposition = FirstUse(lambda: import_module("prometheus_client"))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope.get("method") in _READING and scope["path"] in self._probes:
            await self._answer_probe(scope, send)
        elif scope["path"] == "*":  # `OPTIONS *` asks what the server can do: RFC 9110, section 9.3.7
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", _METHODS)]})
            await send({"type": "http.response.body"})
        else:
            app = await self._app.get()
            await app(scope, receive, send)

    async def _answer_probe(self, scope: Message, send: Send) -> None:
        path = scope["path"]
        if path == METRICS:
            await self._exposition.get()
        answer = self._probes.answer(path, _accept(scope["headers"]))
        headers = [
            (b"content-length", b"%d" % len(answer.body)),
            (b"content-type", answer.content_type.encode("latin-1")),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _accept(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == b"accept"), "")
