"""Errors of the control plane, in the shape of the API that was called: OpenAI's on `/v1/`, else MLflow's."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tollway.gateway.apis import shape_of
from tollway.gateway.errors import INTERNAL, Failure

from .counting import note_code

_log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed"}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if message == "Not Found":  # Starlette's own words for a path that it does not have
        message = f"there is nothing at {request.scope['path'][:200]!r}; GET /docs lists what there is"
    elif error.status_code == 405:
        message = f"use {(error.headers or {}).get('Allow', 'another method')}"
    code = _CODES.get(error.status_code, "invalid_request")
    return _answer(request, Failure(error.status_code, code, message), error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return _answer(request, Failure(422, "invalid_request", said))


async def _internal(request: Request, error: Exception) -> Response:
    _log.error("a request failed inside the control plane", exc_info=error)
    return _answer(request, INTERNAL)


def _answer(request: Request, failure: Failure, headers: Mapping[str, str] | None = None) -> Response:
    note_code(request.scope, failure.code)
    body = shape_of(request.scope["path"])(failure)
    return Response(body, failure.status, dict(headers or {}), "application/json")


HANDLERS: dict[int | type[Exception], Any] = {
    HTTPException: _http,
    RequestValidationError: _invalid,
    Exception: _internal,
}
"""Who answers which error."""
