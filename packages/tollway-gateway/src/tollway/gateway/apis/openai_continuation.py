"""A stream of OpenAI's chat that broke, gone on with: its text so far becomes the last message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tollway.provider import sse
from tollway.provider.json_text import dumps, loads

from .api import APICall

_MAX_TEXT_CHARACTERS = 4 * 1024 * 1024


class ChatContinuation:
    """Remembers the text that was passed on; see `Continuation`.

    What is more than one choice of text (tool calls, several choices, log probabilities) is not continued.
    """

    __slots__ = ("_length", "_parser", "_text", "_whole")

    def __init__(self) -> None:
        self._parser = sse.Parser()
        self._text: list[str] = []
        self._length = 0
        self._whole = True
        """Whether the text is all that was passed on."""

    def note(self, events: bytes) -> None:
        """Remember the text."""
        for event in self._parser.feed(events):
            if event.data is None or event.data.strip() == b"[DONE]":
                continue
            for choice in self._choices(event.data):
                self._note_choice(choice)

    def resumed(self, call: APICall) -> APICall | None:
        """See `Continuation.resumed`."""
        text = "".join(self._text)
        if not self._whole or not text.strip():
            return None
        self._parser = sse.Parser()  # what was half an event is gone with its stream
        self._text = [text]
        messages = [*call.payload["messages"], {"role": "assistant", "content": text}]
        payload = {**call.payload, "messages": messages}
        try:
            return replace(call, payload=payload, body=dumps(payload))
        except (TypeError, RecursionError):  # nested too deep to be written
            return None

    def _choices(self, data: bytes) -> list[dict[str, Any]]:
        try:
            return loads(data).get("choices") or []
        except ValueError:  # passed on, though it cannot be read here: nor gone on with
            self._whole = False
            return []

    def _note_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        text = delta.get("content")
        others = {key for key, value in delta.items() if value} - {"role", "content"}
        if others or choice.get("index") or choice.get("logprobs") or choice.get("finish_reason"):
            self._whole = False
        elif isinstance(text, str):
            self._text.append(text)
            self._length += len(text)
            self._whole = self._whole and self._length <= _MAX_TEXT_CHARACTERS
