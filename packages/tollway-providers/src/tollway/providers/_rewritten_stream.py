"""A decoder of streams around another one, whose events it says in its own way."""

from __future__ import annotations

from collections.abc import Callable

from tollway.provider import ProviderError, StreamDecoder


class RewrittenStream:
    """A decoder that gives the events of another one as `rewrite` returns them; see `StreamDecoder`."""

    def __init__(self, inner: StreamDecoder, rewrite: Callable[[bytes], bytes]) -> None:
        self.info = inner.info
        self.complete = False
        self.error: ProviderError | None = None
        self._inner = inner
        self._rewrite = rewrite

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        return self._rewritten(self._inner.feed(data))

    def end(self) -> bytes:
        """Take the end of the upstream's bytes."""
        return self._rewritten(self._inner.end())

    def _rewritten(self, events: bytes) -> bytes:
        self.complete, self.error = self._inner.complete, self._inner.error
        return self._rewrite(events) if events else b""
