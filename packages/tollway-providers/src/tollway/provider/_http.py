"""A dialect over HTTP: pure functions, no I/O. The gateway sends, times, retries and traces."""

from __future__ import annotations

from typing import Protocol

from ._base import Provider
from ._values import Answer, AnswerInfo, Call, UpstreamRequest, UpstreamResponse
from .errors import ProviderError


class StreamDecoder(Protocol):
    """Turns one upstream stream into server-sent events of OpenAI's dialect, looking at them in passing.

    It answers whole events only, so that an error event can follow at any moment. `info` fills as the stream
    goes. `complete` turns true when the upstream said that the answer is finished. `error` is set when the
    stream carries an error or garbage: what `feed` returned until then is good, and nothing follows.
    """

    info: AnswerInfo
    complete: bool
    error: ProviderError | None

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""


class HTTPProvider(Provider):
    """A model behind HTTP. Every method has OpenAI's dialect as its default: override what differs."""

    url: str
    """Where it is (scheme, host, base path): `server.address` and `server.port` of its spans."""

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask; raise `PayloadError` when the request cannot be said in this dialect."""
        raise NotImplementedError

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer (status 2xx); raise `ResponseError` when it is none."""
        raise NotImplementedError

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream (status 2xx)."""
        raise NotImplementedError

    def error(self, response: UpstreamResponse) -> ProviderError:
        """Read an answer whose status is not 2xx; never raises."""
        raise NotImplementedError
