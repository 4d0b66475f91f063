"""What an upstream's error says to people: found in JSON of any shape, in plain text and in HTML pages."""

from __future__ import annotations

import html
from typing import Any

import orjson

from .json_text import loads

MAX_MESSAGE_CHARS = 1000

_MAX_PAGE_BYTES = 64 * 1024
_MAX_ESCAPED_CHARS = 4 * MAX_MESSAGE_CHARS
"""Characters of a page in which entities are read: `html` raises for numbers of more than 4300 digits."""

_MAX_ITEMS = 8
_MAX_DEPTH = 6

_PLACES = (
    *("error", "message", "detail", "errors", "msg", "error_description", "error_message", "errorMessage"),
    *(
        "error_msg",
        "err_msg",
        "base_resp",
        "status_msg",
        "fault",
        "faultstring",
        "Message",
        "title",
        "reason",
    ),
)
"""Keys that hold words, or an object that does; the first that has any is taken."""


def load(body: bytes) -> Any:
    """Parse JSON as the official clients do (see `json_text.loads`); None when it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _load_anyway(body)


def _load_anyway(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None


def embedded(text: str) -> Any:
    """Return the JSON object or list that a text is, None when it is plain text."""
    stripped = text.strip()
    if stripped[:1] not in ("{", "["):
        return None
    try:
        return orjson.loads(stripped)
    except orjson.JSONDecodeError:
        return None


def words_of(body: Any, depth: int = _MAX_DEPTH) -> str:
    """Return the words of an error's JSON, in whichever of the usual places; empty if there are none."""
    if isinstance(body, str):
        inner = embedded(body) if depth else None
        return (words_of(inner, depth - 1) if inner else "") or shorten(body)
    if not depth:
        return ""
    if isinstance(body, list):
        return shorten("; ".join(filter(None, (words_of(item, depth - 1) for item in body[:_MAX_ITEMS]))))
    if not isinstance(body, dict):
        return ""
    for key in _PLACES:
        said = words_of(body.get(key), depth - 1)
        if said:
            return _with_cause(_located(said, body.get("loc")), body.get("metadata"), depth - 1)
    return ""


def text_of(body: bytes) -> str:
    """Return what plain text or an HTML page says: of a page with a title, the title."""
    text = body[:_MAX_PAGE_BYTES].decode("utf-8", "replace")
    if "<" not in text:
        return shorten(text)
    escaped = " ".join((_title(text) or _without_tags(text)).split())
    return shorten(html.unescape(escaped[:_MAX_ESCAPED_CHARS]))


def shorten(text: str) -> str:
    """Return text on one line, cut at `MAX_MESSAGE_CHARS`."""
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _located(said: str, location: Any) -> str:
    """Put the place before what is wrong there, as FastAPI's validation errors have it."""
    steps = location[:_MAX_ITEMS] if isinstance(location, list) else []
    place = ".".join(str(step) for step in steps if isinstance(step, str | int))
    return shorten(f"{place}: {said}") if place else said


def _with_cause(said: str, metadata: Any, depth: int) -> str:
    """Add what the provider behind OpenRouter said: its own message is only "Provider returned error"."""
    cause = words_of(metadata.get("raw"), depth) if isinstance(metadata, dict) else ""
    return shorten(f"{said}: {cause}") if cause and cause not in said else said


def _title(page: str) -> str:
    folded = _folded(page)
    start = folded.find("<title")
    opened = folded.find(">", start) + 1 if start >= 0 else 0
    closed = folded.find("</title", opened) if opened else -1
    return page[opened:closed].strip() if closed >= 0 else ""


def _without_tags(page: str) -> str:
    """Return the text between the tags; what is inside `<script>`, `<style>` and `<head>` is no text.

    Every search starts where the last one ended, and a failed one ends the page: linear in its length.
    """
    folded = _folded(page)
    kept: list[str] = []
    at = 0
    while (tag := page.find("<", at)) >= 0:
        kept.append(page[at:tag])
        hidden = _hidden_element(folded, tag + 1)
        end = folded.find(f"</{hidden}", tag) if hidden else tag
        close = page.find(">", end) if end >= 0 else -1
        if close < 0:
            return " ".join(kept)
        at = close + 1
    return " ".join([*kept, page[at:]])


def _hidden_element(folded: str, at: int) -> str:
    """Return which element that is not shown has its name here; empty if none."""
    for name in ("script", "style", "head"):
        if folded.startswith(name, at) and not folded[at + len(name) : at + len(name) + 1].isalnum():
            return name
    return ""


def _folded(page: str) -> str:
    """Return a page in lower case, with every letter in its place."""
    folded = page.lower()
    return folded if len(folded) == len(page) else page
