"""Most events of a stream differ from the one before in their text only. Those need not be parsed again."""

from __future__ import annotations

from typing import Any

_UNPLAIN = (b'"', b"\\", b"\n")


class Refrain:
    """Knows one event that was parsed, and recognises bytes that are its like: all but the text is the same.

    The text is what stands between two quotes; it has none itself, no backslash and no line end. So what is
    recognised is as good JSON as the event that was parsed, and says nothing new.
    """

    __slots__ = ("_after", "_before", "_quotes", "_turn")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""
        self._turn = b""
        self._quotes = 0

    def learn(self, raw: bytes, chunk: dict[str, Any]) -> None:
        """Take an event of one choice that goes on; forget the one before if this cannot be learnt from."""
        text = _text_of(chunk)
        quoted = b'"%b"' % text
        if not text or any(sign in text for sign in _UNPLAIN) or raw.count(quoted) != 1 or b"\\" in raw:
            self._before = b""
            return
        before, _, after = raw.partition(quoted)
        if not after.endswith(b"}\n\n") or raw.count(b"\n") != 2:
            self._before = b""
            return
        self._before, self._after = before + b'"', b'"' + after
        self._turn = self._after + self._before
        self._quotes = raw.count(b'"')

    def covers(self, data: bytes) -> bool:
        """Say whether these are whole events, all of them like the one that was learnt."""
        if not (self._before and data.startswith(self._before) and data.endswith(self._after)):
            return False
        events, odd = divmod(data.count(b"\n"), 2)
        return (
            not odd
            and data.count(self._turn) == events - 1
            and data.count(b'"') == events * self._quotes
            and b"\\" not in data
        )


def _text_of(chunk: dict[str, Any]) -> bytes:
    """Return the text of the only choice, of chat or of completions; empty when there is none."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        return b""
    delta = choices[0].get("delta", choices[0])
    text = delta.get("content", delta.get("text")) if isinstance(delta, dict) else None
    if chunk.get("usage") or choices[0].get("finish_reason") or not isinstance(text, str):
        return b""
    return text.encode("utf-8", "replace")
