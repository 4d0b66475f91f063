"""The control plane as the gateway starts it: probes at once, everything else when somebody first asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from opentelemetry.trace import TracerProvider

from tollway.gateway.apis import shape_of
from tollway.gateway.errors import INTERNAL, Failure, RequestRejected
from tollway.gateway.first_use import FirstUse
from tollway.gateway.guard.origin_check import Permission
from tollway.gateway.pipeline.reply import pairs_of
from tollway.gateway.telemetry import Metrics

from .access import CALLER, access_of, is_of_callers
from .counting import ASGIApp, Counted, Message, Receive, Send, note_code
from .probes import DRAINING, JSON, METRICS, Answer, Probes
from .serving import Current

if TYPE_CHECKING:
    from tollway.gateway.budgets.store import BudgetStore

    from .reload import Reload

_ELSEWHERE = "the control plane has an address of its own: see server.admin of the configuration"

_READING = frozenset({"GET", "HEAD"})

_METHODS = b"GET, HEAD, OPTIONS, POST"


def create_control_app(
    current: Current,
    *,
    metrics: Metrics,
    unready: Callable[[], str | None],
    reload: Callable[[], Reload | None] = lambda: None,
    budgets: Callable[[], BudgetStore | None] = lambda: None,
    tracer_provider: TracerProvider | None = None,
) -> ASGIApp:
    """Return the application that serves every path which is not the data plane's.

    `current` returns the configuration that serves, as it is built; `unready` says why no requests are to be
    sent here, and None when they are. `reload` returns what reloads the configuration, where it is from
    a file; `budgets` where budgets are kept, where there are any.
    """
    probes = Probes(metrics.render, unready)

    def build() -> ASGIApp:
        from tollway.gateway.pages.overview import GatewayOverview
        from tollway.gateway.pages.sources import GatewaySource

        from .app import build_app

        overview = GatewayOverview(metrics, current, budgets)
        pages = GatewaySource(current, overview, lambda: unready() == DRAINING)
        return build_app(current, probes, reload, pages, tracer_provider)

    plane = _with_origins(ControlPlane(probes, build, current), current)
    return Counted(_without_slash(plane), probes.__contains__, metrics.control_answered)


def _without_slash(app: ASGIApp) -> ASGIApp:
    """Serve every path with a slash at its end as the one without."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.endswith("/") and path != "/":
            scope = {**scope, "path": path[:-1]}
        await app(scope, receive, send)

    return serve


def _with_origins(app: ASGIApp, current: Current) -> ASGIApp:
    """Refuse requests of foreign web pages; those that may call models may ask which there are, no more."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        verdict = current().origins.verdict(scope.get("method", "GET"), scope["headers"])
        if isinstance(verdict, Permission) and is_of_callers(scope["path"]):
            if verdict.is_preflight:
                await _send_nothing(send, pairs_of(verdict.header_lines))
                return
            send, verdict = _adding(send, pairs_of(verdict.header_lines)), None
        objection = verdict.objection if isinstance(verdict, Permission) else verdict
        if objection is not None:
            await _refuse(scope, Failure(403, *objection), send)
        else:
            await app(scope, receive, send)

    return serve


def _adding(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    """Return what sends an answer with more headers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sending


class ControlPlane:
    """Answers probes itself; for other requests there is the application that `build` makes at the first."""

    def __init__(
        self,
        probes: Probes,
        build: Callable[[], ASGIApp],
        current: Current,
    ) -> None:
        self._probes = probes
        self._current = current
        self._app = FirstUse(build)
        self._exposition = FirstUse(lambda: import_module("prometheus_client"))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request."""
        serving = self._current()
        access = access_of(serving)
        if access.is_hidden(scope["path"], scope.get("server")):
            await _refuse(scope, Failure(404, "not_found", _ELSEWHERE), send)
            return
        try:
            caller = access.caller(scope["path"], scope["headers"])
        except RequestRejected as rejected:
            await _refuse(scope, rejected.failure, send)
            return
        if scope.get("method") in _READING and scope["path"] in self._probes:
            await self._answer_probe(scope, send)
        elif scope["path"] == "*":  # `OPTIONS *` asks what the server can do: RFC 9110, section 9.3.7
            await _send_nothing(send, [(b"allow", _METHODS)])
        else:
            app = await self._app.get()
            await app({**scope, CALLER: caller}, receive, send)

    async def _answer_probe(self, scope: Message, send: Send) -> None:
        path = scope["path"]
        if path == METRICS:
            await self._exposition.get()
        answer = self._probes.answer(path, _accept(scope["headers"]))
        if answer.status == INTERNAL.status:
            note_code(scope, INTERNAL.code)
        await _send(answer, send)


async def _refuse(scope: Message, failure: Failure, send: Send) -> None:
    note_code(scope, failure.code)
    answer = Answer(failure.status, JSON, shape_of(scope["path"])(failure))
    await _send(answer, send, pairs_of(failure.header_lines))


async def _send_nothing(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body"})


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
