"""A stream of OpenAI's dialect as its reader sees it, read without any code of the gateway's."""

from __future__ import annotations

import json
from typing import Any


class SeenStream:
    """What a whole stream said: its text, its error, whether it ended as OpenAI's do.

    `order` has a word for each event in its place: `comment`, `role`, the text itself, `finish`, `error`,
    `done`.
    """

    def __init__(self, body: str) -> None:
        self.text = ""
        self.order: list[str] = []
        self.model: str | None = None
        self.error: dict[str, Any] | None = None
        self.comments: list[str] = []
        self.is_done = False
        for event in body.split("\n\n"):
            if event.startswith(":"):
                self.comments.append(event)
                self.order.append("comment")
            elif event.startswith("data: "):
                self._read(event.removeprefix("data: "))

    def _read(self, data: str) -> None:
        if data == "[DONE]":
            self.is_done = True
            self.order.append("done")
            return
        value = json.loads(data)
        if "error" in value:
            self.error = value["error"]
            self.order.append("error")
        self.model = value.get("model", self.model)
        for choice in value.get("choices", ()):
            text = choice["delta"].get("content") or ""
            self.text += text
            self.order.append(text or ("finish" if choice.get("finish_reason") else "role"))
