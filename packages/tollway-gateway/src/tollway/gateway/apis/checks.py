"""Checks that several APIs make of a request; each fault names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tollway.gateway.errors import RequestRejected
from tollway.provider import Dialect

from .parameters import MAX_CHARACTERS

if TYPE_CHECKING:
    from .api import API

MODEL = "model"
"""The key of every API under which a caller names an endpoint or a route."""

ACTED_ON = (
    *(MODEL, "stream", "stream_options", "messages", "previous_response_id", "n"),
    *("max_tokens", "max_completion_tokens", "max_output_tokens"),
)
"""Keys of requests that the gateway acts on: one that stands there twice is refused."""


def missing(key: str, what: str) -> RequestRejected:
    """Return why a request without a key is refused."""
    return RequestRejected(400, "missing_required_parameter", f"{key!r} is missing: {what}", param=key)


def wrong_type(key: str, what: str) -> RequestRejected:
    """Return why a request is refused whose key has a value of another type."""
    return RequestRejected(400, "invalid_type", f"{key!r} must be {what}", param=key)


def no_model(payload: Mapping[str, Any]) -> RequestRejected:
    """Return why a request is refused whose `model` is missing or not a string."""
    if MODEL in payload:
        return wrong_type(MODEL, "a string")
    return missing(MODEL, "the name of an endpoint or a route")


def no_messages(payload: Mapping[str, Any]) -> RequestRejected:
    """Return why a request is refused whose `messages` are not a list that has some."""
    if payload.get("messages") == []:
        return RequestRejected(400, "empty_array", "'messages' must not be empty", param="messages")
    problem = wrong_type if "messages" in payload else missing
    return problem("messages", "a list of messages")


def check_texts(payload: Mapping[str, Any], key: str) -> None:
    """Check that a key, where it is given, holds a text, or a list of texts, tokens or objects.

    Which of these a model takes is its own business: some embed images, and some take an empty prompt.
    """
    value = payload.get(key, "")
    if not isinstance(value, str | list):
        raise wrong_type(key, "a string or a list")
    if isinstance(value, list) and not all(isinstance(item, str | int | list | dict) for item in value):
        raise wrong_type(key, "a list of strings, tokens or objects")


def dialect_of(api: API, scope: Mapping[str, Any]) -> Dialect:
    """Return the dialect of a request, with what of its head an upstream of the same dialect gets too."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope.get("headers", ())
        if name in api.forwarded
    )
    return Dialect(str(api.dialect), headers, scope.get("query_string", b"").decode("latin-1"))


def session_of(scope: Mapping[str, Any], names: tuple[bytes, ...]) -> str | None:
    """Return the conversation that the first of these headers names, for spans; None for none."""
    headers = dict(scope.get("headers", ()))
    found = next((headers[name] for name in names if headers.get(name)), None)
    return None if found is None else found[:MAX_CHARACTERS].decode("latin-1")


def stream_of(payload: Mapping[str, Any]) -> bool:
    """Say whether a stream is asked for."""
    stream = payload.get("stream")
    if stream is None:
        return False
    if not isinstance(stream, bool):
        raise wrong_type("stream", "true or false")
    return stream
