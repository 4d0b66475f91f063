"""`/docs`: what there is to call, on one page that loads nothing from anywhere else.

FastAPI's own page takes its script from a public network, which a gateway often cannot reach and should not
have to trust.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from .serving import Current, answer_of

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "frame-ancestors 'none'"  # a foreign page could lay itself over the buttons
)


def router(app: FastAPI, current: Current) -> APIRouter:
    """Return the routes of the documentation."""
    routes = APIRouter(include_in_schema=False)

    def page(_: object) -> str:
        return render(app.openapi())

    @routes.get("/")
    async def root() -> RedirectResponse:
        return RedirectResponse("/docs")

    @routes.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(answer_of(current(), "docs", page), headers={"content-security-policy": _POLICY})

    return routes


def render(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    template = files(__package__).joinpath("docs.html").read_text("utf-8")
    operations = [
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return template.replace("{{version}}", escape(document["info"]["version"])).replace(
        "{{operations}}", "\n".join(operations)
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    verb = method.upper()
    content = operation.get("requestBody", {}).get("content", {})
    example = content.get("application/json", {}).get("schema", {}).get("example")
    body = "" if example is None else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    area = f'<textarea rows="8" aria-label="Body">{escape(body)}</textarea>' if body else ""
    return (
        f'<details><summary><b class="{method}">{verb}</b> <code>{escape(path)}</code> '
        f"<span>{escape(operation.get('summary', ''))}</span></summary>"
        f'<form data-method="{verb}"><input aria-label="Path" value="{escape(path)}">{area}'
        f"<button>Send</button><pre hidden></pre></form></details>"
    )
