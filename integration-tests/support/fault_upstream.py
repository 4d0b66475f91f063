"""An upstream whose model's name says how it fails, with a log of every attempt that it saw.

`status-503` answers with 503; `ok`, and every name that is not in `FAULTS`, gives a good answer. What one
model does can be queued, and an outage makes every request fail. It speaks OpenAI's dialect, and Anthropic's
on `/messages`.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.dialects import PIECES, Anthropic, Dialect, OpenAI, complete
from support.fault_forms import FORMS, Form
from support.upstream import Exchange, Upstream

OVERSIZED_PIECES = 1024
"""Pieces of 64 KiB in an answer that has no end in sight."""


@dataclass(slots=True)
class Attempt:
    """One request as the upstream saw it, and the ways of a fault to answer it."""

    exchange: Exchange
    dialect: Dialect
    body: Mapping[str, Any]
    fault: str
    at_s: float = field(default_factory=time.monotonic)

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body.get("model"))

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))

    @property
    def headers(self) -> dict[str, str]:
        """The request's headers, names in lower case."""
        return self.exchange.headers

    def begin(self, content_type: str = "text/event-stream") -> None:
        """Send the head of a stream."""
        self.exchange.send(
            f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
        )

    def chunk(self, data: bytes) -> None:
        """Send bytes of a stream."""
        self.exchange.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """End a stream's framing."""
        self.exchange.send(b"0\r\n\r\n")

    def begin_with_two_pieces(self) -> None:
        """Send the beginning of a good stream."""
        self.begin()
        for event in complete(self.dialect, self.model)[:3]:
            self.chunk(event)

    def whole(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        self.exchange.answer(body, status, **headers)

    def refuse(self, status: int, kind: str = "server_error", **headers: str) -> None:
        """Refuse with an error of the dialect."""
        self.whole(json.dumps(self.dialect.error(f"refused with {status}", kind)).encode(), status, **headers)


Fault = Callable[[Attempt], None]


def _ok(attempt: Attempt) -> None:
    if not attempt.stream:
        attempt.whole(attempt.dialect.whole(attempt.model))
        return
    attempt.begin()
    for event in complete(attempt.dialect, attempt.model):
        attempt.chunk(event)
    attempt.chunk(attempt.dialect.terminator)
    attempt.end()


def _cut(attempt: Attempt) -> None:
    if attempt.stream:
        attempt.begin_with_two_pieces()
    else:
        body = attempt.dialect.whole(attempt.model)
        attempt.whole(body[: len(body) // 2], content_length=str(len(body)))
    attempt.exchange.cut()


def _stall(attempt: Attempt) -> None:
    if attempt.stream:
        attempt.begin_with_two_pieces()
    else:
        attempt.whole(b"", content_length="100")
    attempt.exchange.wait_until_hung_up()


def _after_two_pieces(data: bytes) -> Fault:
    def fail(attempt: Attempt) -> None:
        if not attempt.stream:
            attempt.whole(data)
            return
        attempt.begin_with_two_pieces()
        if data:
            attempt.chunk(data)
        attempt.end()

    return fail


def _error_event(attempt: Attempt) -> None:
    _after_two_pieces(attempt.dialect.error_event("the engine died", "server_error"))(attempt)


def _error_first(attempt: Attempt) -> None:
    if not attempt.stream:
        _error_200(attempt)
        return
    attempt.begin()
    attempt.chunk(attempt.dialect.error_event("overloaded, come back later", "overloaded_error"))
    attempt.end()


def _error_200(attempt: Attempt) -> None:
    attempt.whole(json.dumps({"error": {"message": "quota of the day is used up", "code": 429}}).encode())


def _no_terminator(attempt: Attempt) -> None:
    """Complete, but for its last event."""
    if not attempt.stream:
        _ok(attempt)
        return
    attempt.begin()
    for event in complete(attempt.dialect, attempt.model):
        attempt.chunk(event)
    attempt.end()


def _truncated_json(attempt: Attempt) -> None:
    body = attempt.dialect.whole(attempt.model)
    attempt.whole(body[: len(body) // 2])


def _wrong_type(attempt: Attempt) -> None:
    attempt.whole(b"<html><body>Sign in to continue</body></html>", content_type="text/html")


def _oversized(attempt: Attempt) -> None:
    attempt.begin("text/event-stream" if attempt.stream else "application/json")
    attempt.chunk(b'data: {"x": "' if attempt.stream else b'{"x": "')
    try:
        for _ in range(OVERSIZED_PIECES):
            attempt.chunk(b"x" * 65536)
        attempt.end()
    except OSError:  # the gateway has seen enough
        attempt.exchange.closed = True
        attempt.exchange.hung_up.set()


def _comments(attempt: Attempt) -> None:
    """Keeps the connection alive, and never says a word."""
    attempt.begin()
    attempt.chunk(b": keep-alive\n\n")
    attempt.exchange.wait_until_hung_up()


def _role_only(attempt: Attempt) -> None:
    attempt.begin()
    attempt.chunk(attempt.dialect.opening(attempt.model))
    attempt.exchange.wait_until_hung_up()


def _form(form: Form) -> Fault:
    """Tell an error under a 200: of a stream as its first event, if it is JSON."""

    def fail(attempt: Attempt) -> None:
        if attempt.stream and form.content_type == "application/json":
            attempt.begin()
            attempt.chunk(b"data: %b\n\n" % form.body)
            attempt.end()
        else:
            attempt.whole(form.body, content_type=form.content_type)

    return fail


def _form_later(form: Form) -> Fault:
    """Tell the same after two pieces of a stream."""
    return _after_two_pieces(b"data: %b\n\n" % form.body)


def _stream_for_json(attempt: Attempt) -> None:
    attempt.begin()
    for event in complete(attempt.dialect, attempt.model):
        attempt.chunk(event)
    attempt.chunk(attempt.dialect.terminator)
    attempt.end()


FAULTS: Mapping[str, Fault] = {
    "ok": _ok,
    "reset": lambda attempt: attempt.exchange.reset(),
    "close": lambda attempt: attempt.exchange.cut(),
    "silent": lambda attempt: attempt.exchange.wait_until_hung_up(),
    "cut": _cut,
    "stall": _stall,
    "garbage-event": _after_two_pieces(b"data: <not json>\n\n"),
    "no-finish": _after_two_pieces(b""),
    "no-terminator": _no_terminator,
    "error-event": _error_event,
    "error-first": _error_first,
    "error-200": _error_200,
    "empty-200": lambda attempt: attempt.whole(b""),
    "truncated-json": _truncated_json,
    "wrong-type": _wrong_type,
    "oversized": _oversized,
    "comments": _comments,
    "role-only": _role_only,
    "json-for-stream": lambda attempt: attempt.whole(attempt.dialect.whole(attempt.model)),
    "stream-for-json": _stream_for_json,
    **{f"error-200-{name}": _form(form) for name, form in FORMS.items()},
    **{f"error-later-{name}": _form_later(form) for name, form in FORMS.items()},
    "context-length": lambda attempt: attempt.refuse(400, "context_length_exceeded"),
    "content-filter": lambda attempt: attempt.refuse(400, "content_filter"),
    "rate-limited": lambda attempt: attempt.refuse(429, "rate_limit_exceeded", retry_after="0"),
}


def fault_of(name: str) -> Fault:
    """Return what a name means; `status-N` refuses with the status N."""
    if name.startswith("status-"):
        status = int(name.removeprefix("status-"))
        return lambda attempt: attempt.refuse(status)
    return FAULTS.get(name, _ok)


class FaultUpstream(Upstream):
    """See this module. `attempts` holds what came, in its order."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.is_down = False
        """In an outage every request gets 503."""
        self._queued: defaultdict[str, deque[str]] = defaultdict(deque)
        self._held: dict[str, threading.Event] = {}
        super().__init__(self._serve)

    def queue(self, model: str, *faults: str) -> None:
        """Have a model do these things, one for each request, before what its name says."""
        self._queued[model].extend(faults)

    def hold(self, model: str) -> threading.Event:
        """Have a model's answers wait until what is returned is set."""
        self._held[model] = gate = threading.Event()
        return gate

    def of(self, model: str) -> list[Attempt]:
        """Return the attempts on one model."""
        return [attempt for attempt in self.attempts if attempt.model == model]

    def forget(self) -> None:
        """Forget the attempts that came so far, and what was queued."""
        super().forget()
        self.attempts.clear()
        self._queued.clear()
        self._held.clear()

    def _serve(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body or b"{}")
        model = str(body.get("model"))
        queued = self._queued[model]
        fault = "status-503" if self.is_down else queued.popleft() if queued else model
        dialect: Dialect = Anthropic() if exchange.path.endswith("/messages") else OpenAI()
        attempt = Attempt(exchange, dialect, body, fault)
        self.attempts.append(attempt)
        if (gate := self._held.get(model)) is not None:
            gate.wait(timeout=60)
        fault_of(fault)(attempt)


__all__ = ["FAULTS", "PIECES", "Attempt", "FaultUpstream"]
