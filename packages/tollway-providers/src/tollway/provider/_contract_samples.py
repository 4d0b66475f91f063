"""What the contract's tests ask and answer with: OpenAI's dialect, and bodies that are nothing at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ._values import Call, Task

PAYLOADS: Mapping[Task, dict[str, Any]] = {
    Task.CHAT: {"messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 5},
    Task.COMPLETIONS: {"prompt": "Say hello", "max_tokens": 5},
    Task.EMBEDDINGS: {"input": "hello"},
}
"""A plain request of every task."""

_USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def asked(task: Task, payload: dict[str, Any], *, stream: bool) -> Call:
    """Return a call as the gateway makes it."""
    body = {"model": "endpoint", **payload, **({"stream": True} if stream else {})}
    return Call(task, body, json.dumps(body).encode(), stream)


def _answer(kind: str, **fields: Any) -> bytes:
    head = {"id": "answer-1", "object": kind, "created": 1_700_000_000, "model": "model-1"}
    return json.dumps({**head, **fields}).encode()


def _stream(*chunks: bytes) -> bytes:
    return b"".join(b"data: %b\n\n" % chunk for chunk in (*chunks, b"[DONE]"))


def _chunk(task: Task, said: str | None, finish_reason: str | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
    if task is Task.CHAT:
        return _answer(
            "chat.completion.chunk", choices=[{**choice, "delta": {"content": said} if said else {}}]
        )
    return _answer("text_completion", choices=[{**choice, "text": said or ""}])


_MESSAGE = {"role": "assistant", "content": "hello"}

OPENAI_ANSWERS: Mapping[Task, bytes] = {
    Task.CHAT: _answer(
        "chat.completion", choices=[{"index": 0, "finish_reason": "stop", "message": _MESSAGE}], usage=_USAGE
    ),
    Task.COMPLETIONS: _answer(
        "text_completion", choices=[{"index": 0, "finish_reason": "stop", "text": "hello"}], usage=_USAGE
    ),
    Task.EMBEDDINGS: _answer(
        "list", data=[{"object": "embedding", "index": 0, "embedding": [0.5]}], usage={"prompt_tokens": 1}
    ),
}
"""A whole answer to each, as OpenAI sends it."""

OPENAI_STREAMS: Mapping[Task, bytes] = {
    task: _stream(
        _chunk(task, "he"),
        _chunk(task, "llo"),
        _chunk(task, None, "stop"),
        _answer(
            "chat.completion.chunk" if task is Task.CHAT else "text_completion", choices=[], usage=_USAGE
        ),
    )
    for task in (Task.CHAT, Task.COMPLETIONS)
}
"""A whole stream of each, as OpenAI sends it."""

GARBAGE: tuple[bytes, ...] = (b"data: {\n\n", b"data: 3\n\n", b'data: {"error": "overloaded"}\n\n')
"""Server-sent events that are an error in a stream of any dialect of them."""

NOTHINGS: tuple[bytes, ...] = (
    b"",
    b"null",
    b"0",
    b'"text"',
    b"[]",
    b"[[[]]]",
    b"{}",
    b"{",
    b"\xff\x00\xfe",
    b"<html><title>502 Bad Gateway</title></html>",
    b"upstream connect error",
    b'{"error": null}',
    b'{"error": []}',
    b'{"error": {"message": {"nested": 1}}}',
    b'{"choices": 3, "data": 3, "content": 3, "usage": 3}',
    b'{"choices": [null], "data": [null], "content": [null], "usage": []}',
    b"[" * 500 + b"]" * 500,
)
"""Bodies that are no answer to anything, as proxies and broken services send them."""


def errors_around(words: str) -> list[bytes]:
    """Return the usual forms of an error that says these words."""
    forms = [{"error": words}, {"error": {"message": words}}, {"message": words}, {"detail": words}, words]
    return [json.dumps(form).encode() for form in forms] + [words.encode(), f"<p>{words}</p>".encode()]
