"""A stream where a whole answer was asked for, or a whole answer for a stream: each read as the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from . import sse
from ._decoder import StreamDecoder
from ._merge import ChoiceParts, stream_of
from ._openai_info import choice_index, choices_of, info_of
from ._values import Answer, Call, Task
from .errors import PredictionError, ResponseError

_OBJECTS = {Task.CHAT: "chat.completion", Task.COMPLETIONS: "text_completion"}


OpenStream = Callable[[Call], StreamDecoder]
"""Makes the decoder of a call's stream."""


def answer_of_stream(body: bytes, call: Call, open_stream: OpenStream) -> Answer:
    """Read a stream that is here as a whole.

    Raises:
        ProviderError: the stream carries an error, or is not complete.
    """
    options = {"stream_options": {"include_usage": True}}
    decoder = open_stream(replace(call, payload={**call.payload, **options}, stream=True))
    events = decoder.feed(body) + decoder.end()
    if decoder.error is not None:
        raise decoder.error
    try:
        merged = _merged(events, call.task)
        body = orjson.dumps(merged)
    except (PredictionError, TypeError, AttributeError, KeyError) as cause:
        raise ResponseError("the model's service answered with a stream that does not add up") from cause
    return Answer(body, info_of(merged))


def stream_of_answer(answer: Answer, call: Call) -> bytes:
    """Say a whole answer as a stream.

    Raises:
        ResponseError: its choices cannot be streamed.
    """
    try:
        return stream_of(answer, call)
    except (PredictionError, TypeError, AttributeError, KeyError) as cause:
        raise ResponseError("the model's service answered with choices that are none") from cause


def _merged(events: bytes, task: Task) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    parts: dict[int, ChoiceParts] = {}
    for event in sse.Parser().feed(events):
        if event.data is None or event.data == b"[DONE]":
            continue
        chunk = orjson.loads(event.data)
        whole.update({key: value for key, value in chunk.items() if value is not None})
        for choice in choices_of(chunk):
            parts.setdefault(choice_index(choice), ChoiceParts()).add(choice)
    choices = [parts[index].whole() for index in sorted(parts)]
    for choice in choices:
        if task is Task.CHAT:
            choice["message"] = {"role": "assistant", "content": None, **choice.get("message", {})}
    return {**whole, "object": _OBJECTS[task], "choices": choices}
