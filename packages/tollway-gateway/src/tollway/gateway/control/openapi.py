"""The OpenAPI document: FastAPI's own part, and the data plane's paths, which FastAPI never sees."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.examples import example_of
from tollway.provider import Task

from .serving import Current, answer_of

_SUMMARIES = {
    Task.CHAT: "Chat, streamed with stream: true",
    Task.COMPLETIONS: "Complete a prompt, streamed with stream: true",
    Task.EMBEDDINGS: "Embed texts",
}

_PATHS = {
    Task.CHAT: "/v1/chat/completions",
    Task.COMPLETIONS: "/v1/completions",
    Task.EMBEDDINGS: "/v1/embeddings",
}

_MESSAGES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["role"],
        "properties": {"role": {"type": "string"}, "content": {}},
    },
}

_TEXT = {"type": "string", "minLength": 1}

_TEXTS = {"type": "array", "minItems": 1, "items": {"type": "string"}}

_INPUTS: dict[Task, tuple[str, dict[str, Any]]] = {
    Task.CHAT: ("messages", _MESSAGES),
    Task.COMPLETIONS: ("prompt", _TEXT),
    Task.EMBEDDINGS: ("input", _TEXTS),
}
"""The key that each task needs, and its schema."""

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
    paths = {f"/endpoints/{name}/invocations": _operation(task, name) for name, task in named.items()}
    for task, path in _PATHS.items():
        names = [name for name, served in named.items() if served is task]
        if names:
            paths[path] = _operation(task, None, names)
    return paths


def _operation(task: Task, name: str | None, names: list[str] | None = None) -> dict[str, Any]:
    key, schema = _INPUTS[task]
    properties: dict[str, Any] = {key: schema}
    example = example_of(task)
    if names:
        properties = {"model": {"type": "string", "enum": names}, **properties}
        example = {"model": names[0], **example}
    body = {"type": "object", "required": list(properties), "properties": properties, "example": example}
    return {
        "post": {
            "tags": ["data plane"],
            "summary": _SUMMARIES[task] if name is None else f"{_SUMMARIES[task]}: {name}",
            "operationId": f"{task.rpartition('/')[2]}_{name or 'by_model'}",
            "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
            "responses": {"200": {"description": "The answer, in OpenAI's shape"}, **_ERRORS},
        }
    }
