"""Answers whose `content` is a list of parts, as OpenAI's clients read them: text, and reasoning beside it.

Mistral's reasoning models and Databricks answer so:
https://docs.mistral.ai/capabilities/reasoning and
https://docs.databricks.com/machine-learning/model-serving/query-reason-models.
"""

from __future__ import annotations

from typing import Any

import orjson

from tollway.provider import Answer, StreamDecoder, sse

from ._rewritten_stream import RewrittenStream

_LIST = (b'"content":[', b'"content": [')
"""What a content that is a list looks like; an answer without it is not parsed again."""


def with_plain_content(answer: Answer) -> Answer:
    """Return an answer whose messages hold text; the same one if they do already."""
    if not any(sign in answer.body for sign in _LIST):
        return answer
    body = orjson.loads(answer.body)
    for choice in body["choices"]:
        if isinstance(choice, dict):
            _flatten(choice.get("message"))
    return Answer(orjson.dumps(body), answer.info)


def plain_content_stream(inner: StreamDecoder) -> StreamDecoder:
    """Return a decoder whose chunks hold text, around one whose chunks may hold parts."""
    return RewrittenStream(inner, _plain_events)


def _plain_events(events: bytes) -> bytes:
    if not any(sign in events for sign in _LIST):
        return events
    return b"".join(map(_plain_event, sse.Parser().feed(events)))


def _plain_event(event: sse.Event) -> bytes:
    if event.data is None or not any(sign in event.data for sign in _LIST):
        return event.raw
    chunk = orjson.loads(event.data)
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            _flatten(choice.get("delta"))
    return sse.event(orjson.dumps(chunk))


def _flatten(message: Any) -> None:
    """Put text in the place of parts, and the reasoning among them beside it."""
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        return
    texts: list[str] = []
    thoughts: list[str] = []
    for part in message["content"]:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("thinking", "reasoning"):
            inner = part.get("thinking") or part.get("summary") or part.get("text")
            thoughts += _texts(inner)
        else:
            texts += _texts([part])
    message["content"] = "".join(texts)
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)


def _texts(parts: Any) -> list[str]:
    """Return the texts of parts, which may be a text themselves."""
    if isinstance(parts, str):
        return [parts]
    found = (part.get("text") if isinstance(part, dict) else part for part in _listed(parts))
    return [text for text in found if isinstance(text, str)]


def _listed(parts: Any) -> list[Any]:
    return parts if isinstance(parts, list) else []
