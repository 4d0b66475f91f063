"""The routes below `/ui`: the front end's files, and the JSON API that it reads."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any, Protocol

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from .answers import Answers, NotFoundError
from .assets import HEADERS, assets

PREFIX = "/ui"

_SEARCHES = 4
"""Searches that run at the same time; more wait."""


class Source(Protocol):
    """Where the pages' facts are from: a gateway, or a store alone."""

    def info(self) -> dict[str, Any]:
        """Return what `api/info` answers beside the version."""

    def answers(self) -> Answers | None:
        """Return what answers from the traces; None where none are stored."""


def router(source: Source) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["pages"])
    _add_files(routes)
    _add_api(routes, source)
    return routes


def _add_files(routes: APIRouter) -> None:
    @routes.get("", include_in_schema=False)
    async def index(request: Request) -> Response:
        if not request.scope.get("raw_path", b"").endswith(b"/"):  # links are relative to the folder
            return RedirectResponse(f"{PREFIX.removeprefix('/')}/", headers=HEADERS)
        return _file(request, "index.html")

    @routes.get("/{name}", include_in_schema=False)
    async def file(request: Request, name: str) -> Response:
        return _file(request, name)


def _file(request: Request, name: str) -> Response:
    asset = assets().get(name)
    if asset is None:
        raise HTTPException(404, "the pages have no such file", headers=HEADERS)
    headers = {**HEADERS, "etag": asset.etag, "cache-control": "no-cache"}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.content_type, headers=headers)


def _add_api(routes: APIRouter, source: Source) -> None:
    gate = asyncio.Semaphore(_SEARCHES)

    async def ask(what: str, **arguments: Any) -> Response:
        answers = source.answers()
        if answers is None:
            return _problem(404, "no traces are stored", "set tracing.store in the configuration")
        try:
            async with gate:
                body = await asyncio.to_thread(answers.ask, what, arguments)
        except NotFoundError as error:
            return _problem(404, str(error), None)
        except ValueError as error:
            return _problem(400, str(error), None)
        return _json(body)

    @routes.get("/api/info", summary="What the pages show")
    async def info() -> Response:
        return _json(orjson.dumps({"version": version("tollway-gateway"), **source.info()}))

    @routes.get("/api/traces", summary="Traces, a page at a time")
    async def traces(limit: int = 100) -> Response:
        return await ask("traces", limit=limit)

    @routes.get("/api/points", summary="When traces started and how long they took, as columns")
    async def points(limit: int = 10_000) -> Response:
        return await ask("points", limit=limit)

    @routes.get("/api/traces/{trace_id}", summary="One trace with its spans")
    async def trace(trace_id: str) -> Response:
        return await ask("trace", trace_id=trace_id)


def _problem(status: int, message: str, hint: str | None) -> Response:
    return _json(orjson.dumps({"error": {"message": message, "hint": hint}}), status)


def _json(body: bytes, status: int = 200) -> Response:
    headers = {**HEADERS, "cache-control": "no-store"}
    return Response(body, status, headers, "application/json")
