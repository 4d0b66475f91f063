"""Completions (`llm/v1/completions`) of models that only chat: a prompt is a user's message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from tollway.provider import Answer, Call, PayloadError, StreamDecoder, Task, sse

from ._rewritten_stream import RewrittenStream

_NOT_OF_CHATS = ("suffix", "echo", "best_of", "logprobs")
"""Fields that ask for what a chat does not have."""


def as_chat(call: Call) -> Call:
    """Return a call that asks the prompt in a chat; a call that is a chat as it is.

    Raises:
        PayloadError: it holds several prompts, tokens, or asks for what a chat does not have.
    """
    if call.task is not Task.COMPLETIONS:
        return call
    prompt = call.payload.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise PayloadError("this model chats: prompt must be one text", param="prompt")
    for name in _NOT_OF_CHATS:
        if call.payload.get(name) not in (None, False, "", 1 if name == "best_of" else None):
            raise PayloadError(f"this model chats, which has no {name}", param=name)
    payload = {key: value for key, value in call.payload.items() if key not in (*_NOT_OF_CHATS, "prompt")}
    payload["messages"] = [{"role": "user", "content": prompt}]
    return replace(call, task=Task.CHAT, payload=payload, body=orjson.dumps(payload))


def as_completion(answer: Answer) -> Answer:
    """Return an answer of a chat as one of completions."""
    body = orjson.loads(answer.body)
    body["object"] = "text_completion"
    body["choices"] = _choices(body, "message")
    return Answer(orjson.dumps(body), answer.info)


def completion_stream(chat: StreamDecoder) -> StreamDecoder:
    """Return a decoder whose chunks are those of completions, around one of a chat."""
    return RewrittenStream(chat, lambda events: b"".join(map(_event, sse.Parser().feed(events))))


def _event(event: sse.Event) -> bytes:
    if event.data is None or event.data == b"[DONE]":
        return event.raw
    chunk = orjson.loads(event.data)
    chunk["object"] = "text_completion"
    chunk["choices"] = _choices(chunk, "delta")
    return sse.event(orjson.dumps(chunk))


def _choices(body: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the choices of an answer or a chunk of a chat, whose texts are under `key`, as completions."""
    choices = body.get("choices")
    return [_choice(choice, key) for choice in choices] if isinstance(choices, list) else []


def _choice(choice: Any, key: str) -> dict[str, Any]:
    given = choice if isinstance(choice, dict) else {}
    said = given.get(key)
    text = said.get("content") if isinstance(said, dict) else None
    return {
        "index": given.get("index", 0),
        "text": text if isinstance(text, str) else "",
        "logprobs": None,
        "finish_reason": given.get("finish_reason"),
    }
