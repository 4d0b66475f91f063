"""The OpenAPI document: FastAPI's own part, and the data plane's paths, which FastAPI never sees."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from tollway.gateway.apis import API, APIS, api_of, mlflow
from tollway.gateway.config.values import GatewayConfig

from .serving import Current, answer_of

_ERRORS = {
    "400": {"description": "The request is not valid"},
    "401": {"description": "A key is needed, and there is none that is known"},
    "403": {"description": "The key may not use it, or a page of another site asks"},
    "404": {"description": "Nothing goes by that name"},
    "413": {"description": "The body is too large"},
    "415": {"description": "The body's content coding is not known"},
    "429": {"description": "A limit or a budget is reached; Retry-After says when to ask again"},
    "503": {"description": "There is no room for it now; Retry-After says when to ask again"},
    "502": {"description": "The model's service failed"},
    "504": {"description": "The model's service did not answer in time"},
}


def describe(app: FastAPI, current: Current) -> None:
    """Make `app.openapi` tell of the data plane's paths too."""
    own = app.openapi

    def whole(config: GatewayConfig) -> dict[str, Any]:
        document = own()
        return {**document, "paths": {**_data_paths(config), **document["paths"]}}

    app.openapi = lambda: answer_of(current(), "openapi", whole)  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _data_paths(config: GatewayConfig) -> dict[str, Any]:
    named = {one.name: one.endpoint_type for one in config.endpoints}
    named |= {one.name: one.task_type for one in config.routes}
    paths = {mlflow.documented_path(name): _operation(api_of(task), name) for name, task in named.items()}
    for api in APIS:
        names = [name for name, served in named.items() if served is api.task]
        if names:
            paths |= {path: _operation(api, None, names) for path in api.paths}
    return paths


def _operation(api: API, name: str | None, names: list[str] | None = None) -> dict[str, Any]:
    properties, example = dict(api.schema), dict(api.example)
    if names:
        properties = {"model": {"type": "string", "enum": names}, **properties}
        example = {"model": names[0], **example}
    body = {"type": "object", "required": list(properties), "properties": properties, "example": example}
    return {
        "post": {
            "tags": ["data plane"],
            "summary": api.summary if name is None else f"{api.summary}: {name}",
            "operationId": f"{api.name}_{name or 'by_model'}",
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {"200": {"description": "The answer, in the API's shape"}, **_ERRORS},
        }
    }
