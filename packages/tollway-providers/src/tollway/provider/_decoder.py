"""What reads one upstream stream."""

from __future__ import annotations

from typing import Protocol

from ._values import AnswerInfo
from .errors import ProviderError


class StreamDecoder(Protocol):
    """Turns one upstream stream into server-sent events of OpenAI's dialect, looking at them in passing.

    It answers whole events only, so that an error event can follow at any moment. `info` fills as the stream
    goes; `info.token_seen` tells when the answer proper has begun. `complete` turns true when the upstream
    said that the answer is finished. `error` is set when the stream carries an error or garbage: what `feed`
    returned until then is good, and nothing follows.
    """

    info: AnswerInfo
    complete: bool
    error: ProviderError | None

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete.

        Called too when the connection broke: an answer that lacks only its terminator is complete.
        """
