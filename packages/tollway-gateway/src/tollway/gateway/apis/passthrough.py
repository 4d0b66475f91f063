"""Requests that pass raw: to any path of an endpoint's service, and OpenAI's paths beside chat.

https://platform.openai.com/docs/api-reference/images, /audio and /moderations; rerank is Cohere's and Jina's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from tollway.provider import Task

from .api import API
from .shapes import ErrorShape, mlflow_shape, openai_shape


class Passthrough(API):
    """Any request, to any path of an endpoint's service; nothing but limits and telemetry looks at it."""

    name = "proxy"
    task = Task.CHAT
    paths = ()
    operation = "passthrough"
    summary = "Any request, with the endpoint's credentials, to a path below the base URL of its service"
    example: ClassVar[Mapping[str, Any]] = {}
    schema: ClassVar[Mapping[str, Any]] = {}

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`: nobody can tell."""
        return None, 1

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """See `API.conversation`: nothing is known of it."""
        return None

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """See `API.input_messages`: none."""
        return iter(())

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """See `API.output_messages`: none."""
        return []


class _Bodiless(Passthrough):
    """A request without a body asks no model."""

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """See `API.bounds`."""
        return 0, 1


PASSTHROUGH, BODILESS = Passthrough(), _Bodiless()


class RawForm(NamedTuple):
    """How a path names an endpoint and a path of its service.

    Below `prefix` stand the name and the path; with `is_model`, the name and a method of its model, after a
    colon. Without a prefix the body's `model` names it, and `path` is the one path.
    """

    template: str
    shape: ErrorShape
    prefix: tuple[str, ...] = ()
    path: str = ""
    is_model: bool = False


BY_NAME = {
    "/proxy/": RawForm("/proxy/{name}/{path}", openai_shape, ("proxy",)),
    "/gateway/proxy/": RawForm("/gateway/proxy/{name}/{path}", mlflow_shape, ("gateway", "proxy")),
    "/gateway/gemini/v1beta/models/": RawForm(
        "/gateway/gemini/v1beta/models/{name}:{method}",
        mlflow_shape,
        ("gateway", "gemini", "v1beta", "models"),
        is_model=True,
    ),
}
"""Forms by the beginning of a path; the last two are MLflow's."""

_BY_MODEL = (
    *("/images/generations", "/images/edits", "/images/variations"),
    *("/audio/speech", "/audio/transcriptions", "/audio/translations"),
    *("/moderations", "/rerank"),
)

BY_MODEL = {
    f"{start}/v1{path}": RawForm(f"{start}/v1{path}", shape, path=path)
    for start, shape in (("", openai_shape), ("/gateway/openai", mlflow_shape))
    for path in _BY_MODEL
}
"""Forms by their path, where `model` names an endpoint of any type."""
