"""Most events of a stream differ from the one before in their text only. Those need not be parsed again."""

from __future__ import annotations

from typing import Any

_UNPLAIN = (b'"', b"\\", b"\n")


class Refrain:
    """Knows one event that was parsed, and recognises bytes that are its like: all but the text is the same.

    The text is what stands between two quotes; it has none itself, no backslash and no line end. So what is
    recognised is as good JSON as the event that was parsed, and says nothing new.
    """

    __slots__ = ("_after", "_before")

    def __init__(self) -> None:
        self._before = b""
        self._after = b""

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

    def follow(self, data: bytes, start: int = 0) -> int:
        """Return where, from `start` on, the first event is that is not like the one learnt, or not whole."""
        before, after = self._before, self._after
        if not before:
            return start
        find, text, tail = data.find, len(before), len(after)
        while (end := find(b"\n\n", start) + 2) > 1:
            if not (data.startswith(before, start) and data.endswith(after, start + text, end)):
                break
            to = end - tail
            if (
                find(b'"', start + text, to) >= 0
                or find(b"\\", start + text, to) >= 0
                or find(b"\n", start, to) >= 0
            ):
                break
            start = end
        return start


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
