"""The routes below `/ui`: the front end's files, and the JSON API that it reads."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from .asking import BusyError
from .assets import HEADERS, assets
from .live import MAX_LIVE, Live
from .reading import FAILED, FOUND, MISSING, WRONG
from .sources import Source

PREFIX = "/ui"

_STATUSES = {FOUND: 200, MISSING: 404, WRONG: 400, FAILED: 500}

_AGAIN = {"retry-after": "1"}

Q = Annotated[str, Query(max_length=2_000, description="A query, as docs/pages.md has it")]
Limit = Annotated[int, Query(ge=1, le=10_000, description="At most so many traces")]
Cursor = Annotated[str | None, Query(min_length=1, description="`next` of the page before")]
Window = Annotated[
    str, Query(pattern="^[1-9][0-9]{0,5}(s|m|h|d|w)$", description="A length of time: 15m, 1h, 1d")
]
TraceId = Annotated[str, Query(pattern="^[0-9a-fA-F]{32}$")]

_Responses = dict[int | str, dict[str, Any]]

_BAD_QUERY: _Responses = {400: {"description": "The query cannot be read; `position` says where"}}
_EVENT = {
    "schema": {
        "type": "object",
        "properties": {"event": {"enum": ["trace", "overview"]}, "data": {"type": "string"}},
    }
}
_GONE: _Responses = {404: {"description": "There is no such trace, or not any more"}}


def router(source: Source) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix=PREFIX, tags=["pages"])
    api = _Api(source)
    _add_files(routes)
    _add_lists(routes, api)
    _add_traces(routes, api)
    _add_numbers(routes, api)
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


class _Api:
    """Asks, and makes HTTP of the answers."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.live = Live(source)

    async def ask(self, what: str, /, **arguments: Any) -> Response:
        """Return the answer to a question about traces."""
        asker = self.source.asker()
        if asker is None:
            return problem(404, "no traces are stored here", "set tracing.store in the configuration")
        try:
            kind, body = await asker.ask(what, **arguments)
        except BusyError:
            return problem(503, "too many pages ask at the same time", "try again in a moment", _AGAIN)
        return _json(body if kind == FOUND else b'{"error":%b}' % body, _STATUSES[kind])


def _add_lists(routes: APIRouter, api: _Api) -> None:
    @routes.get("/api/traces", summary="Traces, a page at a time", responses=_BAD_QUERY)
    async def traces(
        q: Q = "", limit: Limit = 100, cursor: Cursor = None, order: Literal["newest", "slowest"] = "newest"
    ) -> Response:
        return await api.ask("traces", q=q, limit=limit, cursor=cursor, order=order)

    @routes.get("/api/points", summary="Starts and durations, as columns", responses=_BAD_QUERY)
    async def points(q: Q = "", limit: Limit = 10_000) -> Response:
        return await api.ask("points", q=q, limit=limit)

    @routes.get("/api/facets", summary="Names to complete a query with")
    async def facets() -> Response:
        return await api.ask("facets")

    @routes.get("/api/sessions", summary="Sessions of the newest traces", responses=_BAD_QUERY)
    async def sessions(q: Q = "") -> Response:
        return await api.ask("sessions", q=q)

    @routes.get("/api/sessions/{session:path}", summary="One session as a thread", responses=_GONE)
    async def session(session: str) -> Response:
        return await api.ask("session", session=session)

    @routes.get("/api/services", summary="Who calls whom, how often, and how it goes", responses=_BAD_QUERY)
    async def services(q: Q = "", window: Window = "1h") -> Response:
        return await api.ask("services", q=q, window=window)

    @routes.get("/api/flame", summary="Traces merged by the paths of their spans", responses=_BAD_QUERY)
    async def flame(q: Q = "") -> Response:
        return await api.ask("flame", q=q)


def _add_traces(routes: APIRouter, api: _Api) -> None:
    @routes.get("/api/traces/{trace_id}", summary="One trace with its spans", responses=_GONE)
    async def trace(trace_id: str) -> Response:
        return await api.ask("trace", trace_id=trace_id)

    @routes.get("/api/traces/{trace_id}/spans/{span_id}", summary="All that a span says", responses=_GONE)
    async def span(trace_id: str, span_id: str) -> Response:
        return await api.ask("span", trace_id=trace_id, span_id=span_id)

    @routes.get("/api/traces/{trace_id}/otlp", summary="A trace as OTLP JSON", responses=_GONE)
    async def otlp(trace_id: str) -> Response:
        return _as_file(await api.ask("download", trace_id=trace_id, form="otlp"), trace_id, "otlp")

    @routes.get("/api/traces/{trace_id}/jaeger", summary="A trace for Jaeger's page", responses=_GONE)
    async def jaeger(trace_id: str) -> Response:
        return _as_file(await api.ask("download", trace_id=trace_id, form="jaeger"), trace_id, "jaeger")

    @routes.get("/api/compare", summary="Two traces, their spans matched by path", responses=_GONE)
    async def compare(a: TraceId, b: TraceId) -> Response:
        return await api.ask("compare", a=a, b=b)


def _add_numbers(routes: APIRouter, api: _Api) -> None:
    @routes.get("/api/info", summary="What the pages show")
    async def info() -> Response:
        return _json(orjson.dumps({"version": version("tollway-gateway"), **api.source.info()}))

    @routes.get("/api/overview", summary="Requests, errors, latency, tokens, cost, breakers, spans kept")
    async def overview() -> Response:
        found = await asyncio.to_thread(api.source.overview)
        if found is None:
            return problem(404, "there is no gateway here", "open the pages of a gateway: /ui/")
        return _json(orjson.dumps(found))

    @routes.get(
        "/api/live",
        summary="Traces as they are stored, as server-sent events",
        response_class=StreamingResponse,
        responses={**_BAD_QUERY, 200: {"description": "Events", "content": {"text/event-stream": _EVENT}}},
    )
    async def live(request: Request, q: Q = "", traces: bool = True, overview: bool = False) -> Response:
        if api.live.is_full:
            return problem(503, f"{MAX_LIVE} pages are live already", "close one, or reload later", _AGAIN)
        if traces:
            checked = await api.ask("news", q=q)  # what is wrong with a query is said with a status
            if checked.status_code != 200:
                return checked
        after = request.headers.get("last-event-id")
        events = api.live.events(q if traces else None, after, overview=overview)
        return StreamingResponse(events, headers=_no_store(), media_type="text/event-stream")


def _as_file(answer: Response, trace_id: str, form: str) -> Response:
    if answer.status_code == 200:
        name = f"{form}-{trace_id.lower()}.json"  # a trace that was found has 32 hex digits
        answer.headers["content-disposition"] = f'attachment; filename="{name}"'
    return answer


def problem(status: int, message: str, hint: str, headers: dict[str, str] | None = None) -> Response:
    """Return an error as the pages show it."""
    answer = _json(orjson.dumps({"error": {"message": message, "hint": hint}}), status)
    answer.headers.update(headers or {})
    return answer


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, _no_store(), "application/json")


def _no_store() -> dict[str, str]:
    return {**HEADERS, "cache-control": "no-store"}
