"""The pages without a gateway, as `tollway traces ui` serves them: a store's traces, and OTLP into it."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from tollway.gateway import otlp_in
from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.otlp_in import ASGIApp, Message, Receive, Send
from tollway.tracing.receiving import TraceReceiver

from .routes import PREFIX, router
from .sources import Source


def pages_app(source: Source, receiver: TraceReceiver | None, origins: OriginCheck) -> ASGIApp:
    """Return an application with the pages below `/ui/`, and OTLP where there is a receiver."""
    app = FastAPI(title="Tollway's pages", version=version("tollway-gateway"), docs_url=None, redoc_url=None)
    app.router.routes.extend(router(source).routes)

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse(f"{PREFIX}/")

    spans = None if receiver is None else otlp_in.asgi_app(receiver)

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        objection = origins.verdict(scope["method"], scope["headers"])
        if objection is not None:
            await _refuse(str(objection[-1]), send)
        elif spans is not None and scope["path"] == otlp_in.PATH:
            await spans(scope, receive, send)
        else:
            await app(_without_slash(scope), receive, send)

    return serve


def _without_slash(scope: Message) -> Message:
    path = scope["path"]
    return {**scope, "path": path[:-1]} if path.endswith("/") and path != "/" else scope


async def _refuse(message: str, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": message.encode()})
