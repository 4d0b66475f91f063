"""The control plane as the gateway starts it: probes at once, everything else when somebody first asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from importlib import import_module
from typing import Any

from opentelemetry.trace import TracerProvider

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.pipeline.authenticate import Authenticator, NoAuth
from tollway.gateway.pipeline.errors import Failure, RequestRejected, shape_of
from tollway.gateway.pipeline.reply import pairs_of
from tollway.gateway.resilience.upstream import Upstream

from .access import CALLER, Access
from .first_use import FirstUse
from .probes import JSON, METRICS, Answer, Probes

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
    origins: OriginCheck,
    failed: Callable[[str], None],
    upstreams: Callable[[], Iterable[Upstream]] = tuple,
    tracer_provider: TracerProvider | None = None,
    authenticator: Authenticator | None = None,
) -> ASGIApp:
    """Return the application that serves every path which is not the data plane's.

    `metrics` renders the exposition for an Accept header; `ready` says whether requests are to be sent here;
    `failed` is called with the code of every error that is answered; `upstreams` gives those there are.
    `authenticator` knows the callers' keys.
    """
    probes = Probes(metrics, ready)

    def build() -> ASGIApp:
        from .app import build_app

        return build_app(config, probes, upstreams, tracer_provider)

    access = Access(config.auth, authenticator or NoAuth())
    return ControlPlane(probes, build, origins, access, failed)


class ControlPlane:
    """Answers probes itself; for other requests there is the application that `build` makes at the first."""

    def __init__(
        self,
        probes: Probes,
        build: Callable[[], ASGIApp],
        origins: OriginCheck,
        access: Access,
        failed: Callable[[str], None],
    ) -> None:
        self._access = access
        self._probes = probes
        self._origins = origins
        self._failed = failed
        self._app = FirstUse(build)
        self._exposition = FirstUse(lambda: import_module("prometheus_client"))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request."""
        objection = self._origins.objection(scope.get("method", "GET"), scope["headers"])
        if objection is not None:
            await self._refuse(scope["path"], Failure(403, *objection), send)
            return
        try:
            caller = self._access.caller(scope["path"], scope["headers"])
        except RequestRejected as rejected:
            await self._refuse(scope["path"], rejected.failure, send)
            return
        if scope.get("method") in _READING and scope["path"] in self._probes:
            await self._answer_probe(scope, send)
        elif scope["path"] == "*":  # `OPTIONS *` asks what the server can do: RFC 9110, section 9.3.7
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", _METHODS)]})
            await send({"type": "http.response.body"})
        else:
            app = await self._app.get()
            await app({**scope, CALLER: caller}, receive, send)

    async def _answer_probe(self, scope: Message, send: Send) -> None:
        path = scope["path"]
        if path == METRICS:
            await self._exposition.get()
        await _send(self._probes.answer(path, _accept(scope["headers"])), send)

    async def _refuse(self, path: str, failure: Failure, send: Send) -> None:
        self._failed(failure.code)
        answer = Answer(failure.status, JSON, shape_of(path)(failure))
        await _send(answer, send, pairs_of(failure.header_lines))


async def _send(answer: Answer, send: Send, more: Iterable[tuple[bytes, bytes]] = ()) -> None:
    headers = [
        *more,
        (b"content-length", b"%d" % len(answer.body)),
        (b"content-type", answer.content_type.encode("latin-1")),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _accept(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == b"accept"), "")
