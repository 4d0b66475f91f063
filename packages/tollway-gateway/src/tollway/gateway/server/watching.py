"""Telling when the file of the configuration has changed, also by another one in its place."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger(__name__)

_DEBOUNCE_MS = 400
"""Changes that follow each other within it are one: an editor writes in several steps."""

_LOOK_MS = 10_000
"""After so long it is looked at even if the system told of no change, as on some network file systems."""


class WatchError(Exception):
    """The file cannot be watched; says why."""


def check_watching() -> None:
    """Raise WatchError unless files can be watched here."""
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise WatchError(
            "--reload needs watchfiles: pip install 'tollway-gateway[reload]', or send SIGHUP instead"
        ) from None


class Watcher:
    """Calls `changed`, in a thread of its own: at the beginning, and each time that the file is another one.

    It is the folder that is watched: editors replace a file, and Kubernetes a link beside it.
    """

    def __init__(self, path: Path, changed: Callable[[], None]) -> None:
        self._path = path
        self._changed = changed
        self._seen: bytes | None = None
        threading.Thread(target=self._watch, name="tollway-watch", daemon=True).start()

    def _watch(self) -> None:
        from watchfiles import watch

        folder = self._path.absolute().parent
        try:
            self._look()  # it may have changed since it was read
            for _ in watch(
                folder,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                recursive=False,
                raise_interrupt=False,
                yield_on_timeout=True,
                rust_timeout=_LOOK_MS,
            ):
                self._look()
        except Exception:
            _log.exception("the configuration is no longer watched: send SIGHUP after a change")

    def _look(self) -> None:
        digest = self._digest()
        if digest is not None and digest != self._seen:
            self._seen = digest
            self._changed()

    def _digest(self) -> bytes | None:
        """Return what tells the file's content from another one; None while nothing is in it."""
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        return hashlib.sha256(content).digest() if content else None
