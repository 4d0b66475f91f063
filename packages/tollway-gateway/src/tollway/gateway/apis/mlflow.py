"""MLflow's paths, whose requests are OpenAI's: the path names the destination, its type the API.

Also those of its gateway in a database: `/gateway/{name}/mlflow/invocations`, and below `/gateway/mlflow` and
`/gateway/openai` the paths of OpenAI's clients.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from tollway.provider import Task

from .api import API, APICall
from .openai_chat import OpenAIChat
from .openai_completions import OpenAICompletions
from .shapes import ErrorShape, mlflow_shape

_FORMS = (
    ("/endpoints/", "/invocations"),
    ("/gateway/", "/mlflow/invocations"),
    ("/gateway/", "/invocations"),
)
"""What stands before and behind a name; a longer end goes before one that it ends in."""

_BY_MODEL = ("/gateway/mlflow", "/gateway/openai")
_BY_MODEL_OF_ANTHROPIC = "/gateway/anthropic"

SHAPE: ErrorShape = mlflow_shape
"""How errors look on these paths."""


class _AskingUsage(API):
    """As there, streams end with their usage."""

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """See `API.call`."""
        return super().call(payload, _asking_usage(payload, body), scope)


class _Chat(_AskingUsage, OpenAIChat):
    """OpenAI's, with the usage."""


class _Completions(_AskingUsage, OpenAICompletions):
    """OpenAI's, with the usage."""


OWN: Mapping[Task, API] = {Task.CHAT: _Chat(), Task.COMPLETIONS: _Completions()}
"""The APIs of paths that name a destination, where they differ from OpenAI's."""

_ASKING = b'{"stream_options":{"include_usage":true},'


def _asking_usage(payload: dict[str, Any], body: bytes) -> bytes:
    """Ask for the usage of a stream where the caller says nothing about it; the rest of the bytes stays."""
    if payload.get("stream") is not True or "stream_options" in payload:
        return body
    payload["stream_options"] = {"include_usage": True}
    return _ASKING + body.lstrip()[1:]


def paths_of(name: str) -> list[tuple[str, str]]:
    """Return every path of a destination, with its template (`http.route`)."""
    return [(f"{start}{name}{end}", f"{start}{{name}}{end}") for start, end in _FORMS]


def paths_by_model(path: str) -> list[str]:
    """Return what stands in MLflow's gateway for a path of OpenAI's, or of Anthropic's."""
    prefixes = (_BY_MODEL_OF_ANTHROPIC,) if path.startswith("/v1/messages") else _BY_MODEL
    return [f"{prefix}{path}" for prefix in prefixes]


def name_in(path: str) -> tuple[str, str] | None:
    """Return the name that a path is made for, and its template; None for other paths."""
    for start, end in _FORMS:
        if path.startswith(start) and path.endswith(end):
            return path[len(start) : -len(end)], f"{start}{{name}}{end}"
    return None


def documented_path(name: str) -> str:
    """Return the path that the documentation tells."""
    start, end = _FORMS[0]
    return f"{start}{name}{end}"
