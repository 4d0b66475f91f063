"""OpenAI's dialect over HTTP: requests and whole answers, whose bytes pass as they came."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import orjson

from . import sse
from ._error_signs import BROKEN_FINISHES, is_error
from ._error_words import load, text_of, words_of
from ._openai_errors import error_in_answer
from ._openai_info import info_of
from ._secrets import Redactor
from ._swapped import OpenStream, answer_of_stream
from ._values import Answer, Call, Task, UpstreamResponse
from .errors import ProviderError, ResponseError, too_deep
from .json_text import TooDeepError, spliced, without_key

PATHS = {Task.CHAT: "/chat/completions", Task.COMPLETIONS: "/completions", Task.EMBEDDINGS: "/embeddings"}
"""Where each task is served, below the base URL."""

_EMBEDDINGS = Task.EMBEDDINGS  # a look into an `Enum` costs as much as ten into a module

_NO_OBJECT = "the model's service answered with something that is not a JSON object"


_MODEL = re.compile(rb'("model"\s*:\s*)("(?:[^"\\]|\\.)*")?')
"""The key of a model, wherever it stands outside of texts, and its value where that is text."""


def body_of(call: Call, model: str, *, ask_usage: bool = True) -> bytes:
    """Return the caller's body, made out to `model`; of a stream the usage is asked for, unless told not to.

    All else are the caller's own bytes.

    Raises:
        PayloadError: the body is nested too deep to find what has to change.
    """
    payload, body = call.payload, call.body
    ask_usage = ask_usage and call.stream and not _decides_usage(payload)
    if payload.get("model") == model and not ask_usage:
        return body
    changes: dict[str, Any] = {"model": model}
    if ask_usage:
        changes["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
    elif type(payload) is dict and "model" in payload and b"\\u00" not in body:
        # A key written with escapes would not be found; of a body that was scanned the place is known.
        pieces = _MODEL.split(body)
        if len(pieces) == 4 and pieces[2]:  # it stands there once, so it is the object's own
            return b"".join((pieces[0], pieces[1], orjson.dumps(model), pieces[3]))
    try:
        return spliced(body, payload, changes)
    except TooDeepError as error:
        raise too_deep() from error


def without_options(call: Call) -> Call:
    """Return a call without `stream_options`, for a service that does not know them. Raises PayloadError."""
    payload = {key: value for key, value in call.payload.items() if key != "stream_options"}
    try:
        return replace(call, payload=payload, body=without_key(call.body, "stream_options"))
    except TooDeepError as error:
        raise too_deep() from error


def answer_of(
    call: Call, response: UpstreamResponse, redact: Redactor, open_stream: OpenStream | None
) -> Answer:
    """Read a whole answer; one that came as a stream is read by a decoder of `open_stream`.

    Raises:
        UpstreamError: it is an error, with the status that it says.
        ResponseError: it is not JSON, or has no choices (of embeddings: no data).
    """
    body = load(response.body)
    if not isinstance(body, dict):
        if body is None and open_stream and sse.looks_like_events(response.body):
            return answer_of_stream(response.body, call, open_stream)
        raise _no_object(body, response.body, redact)
    key = "data" if call.task is _EMBEDDINGS else "choices"
    parts = body.get(key)
    if not isinstance(parts, list) or not parts:
        raise _without(key, body, redact)
    info = info_of(body)
    reasons = info.finish_reasons
    if "error" in body or len(reasons) < len(parts) or not BROKEN_FINISHES.isdisjoint(reasons):
        _refuse_error(body, redact)
    return Answer(response.body, info)


def _no_object(body: Any, raw: bytes, redact: Redactor) -> ProviderError:
    if body is not None and (isinstance(body, str) or is_error(body)):
        return error_in_answer(body, redact, ResponseError, _NO_OBJECT)
    said = redact(text_of(raw)) if body is None else ""
    return ResponseError(f"{_NO_OBJECT}: {said}" if said else _NO_OBJECT)


def _without(key: str, body: dict[str, Any], redact: Redactor) -> ProviderError:
    message = f"the model's service answered without {key}"
    if is_error(body):
        return error_in_answer(body, redact, ResponseError, message)
    said = redact(words_of(body))
    return ResponseError(f"{message}: {said}" if said else message)


def _refuse_error(body: dict[str, Any], redact: Redactor) -> None:
    if is_error(body):
        raise error_in_answer(body, redact, ResponseError, "the model's service answered with an error")


def _decides_usage(payload: dict[str, Any]) -> bool:
    """Whether the caller said if it wants usage; what is no object is the upstream's to refuse."""
    options = payload.get("stream_options")
    return options is not None and (not isinstance(options, dict) or "include_usage" in options)
