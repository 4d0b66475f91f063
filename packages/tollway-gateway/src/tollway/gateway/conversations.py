"""Conversations that a later request only names (`previous_response_id`), in a bounded store of this machine.

One worker alone keeps them in memory. Several keep them in files of their common folder, each bounding those
that it wrote, so that any of them can go on with a conversation.
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import orjson

from tollway.provider.json_text import dumps

MAX_CONVERSATIONS = 10_000
MAX_BYTES = 64 * 1024 * 1024
"""Of all conversations that one worker keeps; the one that was written longest ago gives way."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""A name that can be that of a file."""


class Conversations:
    """Keeps the items of conversations by the id of their last response."""

    def __init__(
        self, folder: str | None = None, max_entries: int = MAX_CONVERSATIONS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = None if folder is None else Path(folder) / "responses"
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, bytes | int] = OrderedDict()
        """What is kept; of a file its size."""
        self._bytes = 0

    def keep(self, name: str, items: list[dict[str, Any]]) -> None:
        """Keep a conversation; one that is larger than the store is not kept."""
        data = dumps(items)
        if len(data) > self._max_bytes or not _NAME.fullmatch(name):
            return
        if self._folder is None:
            self._entries[name] = data
        else:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / name).write_bytes(data)
            self._entries[name] = len(data)
        self._bytes += len(data)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._forget()

    def find(self, name: str) -> list[dict[str, Any]] | None:
        """Return the items of a conversation; None when it is not kept any more."""
        if not _NAME.fullmatch(name):
            return None
        if self._folder is None:
            data = self._entries.get(name)
        else:
            data = None
            with contextlib.suppress(OSError):
                data = (self._folder / name).read_bytes()
        if not isinstance(data, bytes):
            return None
        items: list[dict[str, Any]] = orjson.loads(data)
        return items

    def _forget(self) -> None:
        name, kept = self._entries.popitem(last=False)
        self._bytes -= kept if isinstance(kept, int) else len(kept)
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)
