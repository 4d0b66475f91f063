"""Dialects beside OpenAI's chat that callers and services speak alike: then the bytes pass as they came.

A provider whose service speaks one says so by `HTTPProvider.speaking`, which returns a `Passthrough`. For all
others the gateway translates into OpenAI's chat (see `tollway.provider.translators`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from . import sse
from ._error_signs import is_error
from ._error_words import text_of
from ._framing import Opening, last_events
from ._openai_errors import error_in_answer
from ._passing import COUNT, MESSAGES, RESPONSES, Passing
from ._secrets import Redactor
from ._values import Answer, AnswerInfo, Call, UpstreamRequest, UpstreamResponse
from .errors import ProviderError, ResponseError, StreamError, too_deep
from .json_text import TooDeepError, loads, spliced

if TYPE_CHECKING:
    from ._decoder import StreamDecoder

ANTHROPIC_MESSAGES = "anthropic-messages"
"""https://platform.claude.com/docs/en/api/messages"""

ANTHROPIC_COUNT_TOKENS = "anthropic-count-tokens"
"""https://platform.claude.com/docs/en/api/messages-count-tokens"""

OPENAI_RESPONSES = "openai-responses"
"""https://platform.openai.com/docs/api-reference/responses"""

_PASSINGS = {ANTHROPIC_MESSAGES: MESSAGES, ANTHROPIC_COUNT_TOKENS: COUNT, OPENAI_RESPONSES: RESPONSES}

_NO_OBJECT = "the model's service answered with something that is not a JSON object"
_REPORTED = "the model's service reported an error in mid-answer"
_CUT = "the model's stream ended before the answer was finished"


class Speaker(Protocol):
    """What asks a service in one dialect; an `HTTPProvider` is that of OpenAI's chat."""

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask; raise `PayloadError` when the request cannot be said."""

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer (status 2xx)."""

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream (status 2xx)."""

    def error(self, response: UpstreamResponse) -> ProviderError:
        """Read an answer whose status is not 2xx; never raises."""


class Passthrough:
    """Asks a service in the caller's own dialect: bytes pass both ways, and are only looked at.

    `address` makes the address of a request of its query; `headers` are the service's, its key among them.
    """

    takes_scanned = True

    def __init__(
        self,
        dialect: str,
        address: Callable[[str], str],
        model: str,
        headers: tuple[tuple[str, str], ...],
        *,
        redact: Redactor,
        error: Callable[[UpstreamResponse], ProviderError],
    ) -> None:
        self._passing = _PASSINGS[dialect]
        self._address = address
        self._model = model
        self._headers = (("content-type", "application/json"), *headers)
        self._redact = redact
        self.error = error

    def request(self, call: Call) -> UpstreamRequest:
        """Return the caller's bytes, made out to the model."""
        try:
            body = spliced(call.body, call.payload, {"model": self._model})
        except TooDeepError as error:
            raise too_deep() from error
        said = call.dialect
        if said is None:
            return UpstreamRequest(self._address(""), self._headers, body)
        given = {name for name, _ in said.headers}
        headers = tuple(one for one in self._headers if one[0] not in given)
        return UpstreamRequest(self._address(said.query), headers + said.headers, body)

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """See `Speaker.response`."""
        try:
            body = loads(response.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            said = self._redact(text_of(response.body)) if body is None else ""
            raise ResponseError(f"{_NO_OBJECT}: {said}" if said else _NO_OBJECT)
        if self._passing.failed(body):
            raise error_in_answer(body, self._redact, ResponseError, "the model's service failed")
        info = AnswerInfo()
        self._passing.learn(info, body)
        return Answer(response.body, info)

    def stream(self, call: Call) -> StreamDecoder:
        """See `Speaker.stream`."""
        return PassedStream(self._passing, self._redact)


class PassedStream:
    """A decoder whose events pass as they came; see `StreamDecoder`. One that cannot be read passes too."""

    def __init__(self, passing: Passing, redact: Redactor) -> None:
        self.info = AnswerInfo(token_seen=False)
        self.complete = False
        self.error: ProviderError | None = None
        self._passing = passing
        self._redact = redact
        self._parser = sse.Parser()
        self._opening: Opening | None = Opening()

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return the events that are now whole (perhaps none)."""
        try:
            return self._pass_on(self._parser.feed(self._open(data)))
        except sse.EventTooLargeError as error:
            self.error = self.error or StreamError(f"the model's stream carried {error}")
            return b""

    def end(self) -> bytes:
        """Take the end of the upstream's bytes; sets `error` unless the answer is complete."""
        if self._opening is not None and self._opening.body.strip():
            self._fail(bytes(self._opening.body))
            return b""
        rest = self._pass_on(last_events(self._parser))
        if not self.complete and self.error is None:
            self.error = StreamError(_CUT)
        return rest

    def _open(self, data: bytes) -> bytes:
        if self._opening is None:
            return data
        events = self._opening.feed(data)
        if events:
            self._opening = None
        elif len(self._opening.body) > sse.MAX_EVENT_BYTES:
            self.error = StreamError(f"the answer has more than {sse.MAX_EVENT_BYTES} bytes")
        return events

    def _pass_on(self, events: list[sse.Event]) -> bytes:
        passed = []
        for event in events:
            if self.complete or self.error is not None:
                break
            if event.data is not None:
                self._look_at(event.data)
            if self.error is None:
                passed.append(event.raw)
        return b"".join(passed)

    def _look_at(self, data: bytes) -> None:
        try:
            event = loads(data)
        except ValueError:  # a look at an answer never breaks it
            self.info.unread = True
            return
        if not isinstance(event, dict):
            return
        if self._passing.failed(event):
            self._fail(data)
        else:
            self.complete = self._passing.on_event(self.info, event)

    def _fail(self, data: bytes) -> None:
        try:
            body: Any = loads(data)
        except ValueError:
            body = None
        if isinstance(body, dict | str) or is_error(body):
            failed = self._passing.error_of(body) if isinstance(body, dict) else body
            self.error = error_in_answer(failed, self._redact, StreamError, _REPORTED)
        else:
            said = self._redact(text_of(data))
            self.error = StreamError(f"{_CUT}: {said}" if said else _CUT)
