"""Responses that a later request only names (`previous_response_id`), in a bounded store of this machine.

One worker alone keeps them in memory. Several keep them in files of their common folder, each bounding those
that it wrote, so that any of them can go on with a conversation.
"""

from __future__ import annotations

import contextlib
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

from tollway.provider.json_text import dumps, loads

MAX_CONVERSATIONS = 10_000
MAX_BYTES = 64 * 1024 * 1024
"""Of all conversations that one worker keeps; the one that was written longest ago gives way."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""A name that can be that of a file."""


class Kept(NamedTuple):
    """A response with the conversation before it; `owner` is the name of the key that asked, if any."""

    owner: str | None
    input: list[dict[str, Any]]
    response: dict[str, Any]

    @property
    def items(self) -> list[dict[str, Any]]:
        """The conversation up to here."""
        return [*self.input, *self.response["output"]]


class Conversations:
    """Keeps conversations by the id of their last response, each for its owner alone."""

    def __init__(
        self, folder: str | None = None, max_entries: int = MAX_CONVERSATIONS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._folder = None if folder is None else Path(folder) / "responses"
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, bytes | int] = OrderedDict()
        """What is kept; of a file its size."""
        self._bytes = 0

    def keep(self, kept: Kept) -> None:
        """Keep a conversation; one that is larger than the store is not kept."""
        name, data = kept.response["id"], dumps([*kept])
        if len(data) > self._max_bytes or not _NAME.fullmatch(name):
            return
        self._forget(name)
        if self._folder is None:
            self._entries[name] = data
        else:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            (self._folder / name).write_bytes(data)
            self._entries[name] = len(data)
        self._bytes += len(data)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._forget(next(iter(self._entries)))

    def find(self, name: object, owner: str | None) -> Kept | None:
        """Return a conversation; None when it is not kept, or is another one's."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        if self._folder is None:
            data = self._entries.get(name)
        else:
            data = None
            with contextlib.suppress(OSError):
                data = (self._folder / name).read_bytes()
        if not isinstance(data, bytes):
            return None
        kept = Kept(*loads(data))
        return kept if kept.owner == owner else None

    def delete(self, name: str, owner: str | None) -> bool:
        """Forget a conversation; return whether it was kept for its owner."""
        if self.find(name, owner) is None:
            return False
        self._forget(name)
        if self._folder is not None:  # also one that another worker has written
            (self._folder / name).unlink(missing_ok=True)
        return True

    def _forget(self, name: str) -> None:
        kept = self._entries.pop(name, None)
        if kept is None:
            return
        self._bytes -= kept if isinstance(kept, int) else len(kept)
        if self._folder is not None:
            (self._folder / name).unlink(missing_ok=True)
