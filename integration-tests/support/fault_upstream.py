"""An upstream whose model's name says how it fails, with a log of every attempt that it saw.

`status-503` answers with 503, `cut-after-2` hangs up after two events; `ok`, and every name that is not in
`FAULTS`, gives a good answer. What one model does can be queued, and it can break down for a while. It
speaks OpenAI's dialect, and Anthropic's on `/messages`. Nobody listens at `refused_url`, and
nobody accepts at `unreachable_url`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from support.dialects import PIECES, Anthropic, Dialect, OpenAI, complete
from support.fault_forms import FORMS, Form
from support.processes import WAIT_S
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
    token_gate: threading.Event | None = None
    """What the first token waits for, in faults that say something before it."""

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

    def begin_with_events(self, count: int) -> None:
        """Send the beginning of a good stream: a role, pieces of text, the end."""
        self.begin()
        for event in complete(self.dialect, self.model)[:count]:
            self.chunk(event)

    def begin_with_two_pieces(self) -> None:
        """Send the beginning of a good stream."""
        self.begin_with_events(3)

    def whole(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        self.exchange.answer(body, status, **headers)

    def refuse(self, status: int, error: dict[str, Any] | None = None, **headers: str) -> None:
        """Refuse with an error of the dialect."""
        body = error or self.dialect.error(f"refused with {status}", "server_error")
        self.whole(json.dumps(body).encode(), status, **headers)


Fault = Callable[[Attempt], None]


def _ok(attempt: Attempt) -> None:
    if not attempt.stream:
        attempt.whole(attempt.dialect.whole(attempt.model))
        return
    _stream_for_json(attempt)


def _finish(attempt: Attempt, events: int) -> None:
    """Send the rest of a good stream, of which so many events were sent."""
    for event in complete(attempt.dialect, attempt.model)[events:]:
        attempt.chunk(event)
    attempt.chunk(attempt.dialect.terminator)
    attempt.end()


def _cut_after(events: int) -> Fault:
    def cut(attempt: Attempt) -> None:
        if attempt.stream:
            attempt.begin_with_events(events)
        else:
            body = attempt.dialect.whole(attempt.model)
            attempt.whole(body[: len(body) // 2], content_length=str(len(body)))
        attempt.exchange.cut()

    return cut


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


def _limit_event(attempt: Attempt) -> None:
    """Tell in mid-answer of what would have been a 429."""
    _after_two_pieces(attempt.dialect.error_event("too many tokens", "rate_limit_error"))(attempt)


def _error_first(attempt: Attempt) -> None:
    if not attempt.stream:
        _error_200(attempt)
        return
    attempt.begin()
    attempt.chunk(attempt.dialect.error_event("overloaded, come back later", "overloaded_error"))
    attempt.end()


def _error_200(attempt: Attempt) -> None:
    error = attempt.dialect.error("too many tokens a minute", "rate_limit_error")
    attempt.whole(json.dumps(error).encode())


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


def _truncated_event(attempt: Attempt) -> None:
    if not attempt.stream:
        _truncated_json(attempt)
        return
    attempt.begin_with_two_pieces()
    event = attempt.dialect.piece(attempt.model, PIECES[2])
    attempt.chunk(event[: len(event) // 2] + b"\n\n")
    attempt.end()


def _done_only(attempt: Attempt) -> None:
    """A stream that ends without an answer."""
    attempt.begin()
    attempt.chunk(attempt.dialect.terminator)
    attempt.end()


def _wrong_type(attempt: Attempt) -> None:
    attempt.whole(b"<html><body>Sign in to continue</body></html>", content_type="text/html")


def _oversized(attempt: Attempt) -> None:
    attempt.begin("text/event-stream" if attempt.stream else "application/json")
    attempt.chunk(b'data: {"x": "' if attempt.stream else b'{"x": "')
    for _ in range(OVERSIZED_PIECES):  # until the gateway has seen enough
        attempt.chunk(b"x" * 65536)
    attempt.end()


def _comments(attempt: Attempt) -> None:
    """Keeps the connection alive, and never says a word."""
    attempt.begin()
    attempt.chunk(b": keep-alive\n\n")
    attempt.exchange.wait_until_hung_up()


def _role_only(attempt: Attempt) -> None:
    attempt.begin_with_events(1)
    attempt.exchange.wait_until_hung_up()


def _late_token(comment: bytes = b"", events: int = 0) -> Fault:
    """Begin a stream with what is no token; the token comes when `hold_token` lets it."""

    def answer(attempt: Attempt) -> None:
        if not attempt.stream:
            _ok(attempt)
            return
        attempt.begin_with_events(events)
        if comment:
            attempt.chunk(comment)
        if attempt.token_gate is not None:
            attempt.token_gate.wait(WAIT_S)
        _finish(attempt, events)

    return answer


def _again_after(**headers: Callable[[], str]) -> Fault:
    """Refuse, and say when to come again."""

    def refuse(attempt: Attempt) -> None:
        error = attempt.dialect.error("slow down", "rate_limit_error")
        attempt.refuse(429, error, **{name: value() for name, value in headers.items()})

    return refuse


def _date_in(seconds: float) -> Callable[[], str]:
    return lambda: formatdate(time.time() + seconds, usegmt=True)


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


def _form_as_body(form: Form) -> Fault:
    """Tell an error under a 200 as a body, also in a stream's place."""
    return lambda attempt: attempt.whole(form.body, content_type=form.content_type)


def _form_later(form: Form) -> Fault:
    """Tell the same after two pieces of a stream."""
    return _after_two_pieces(b"data: %b\n\n" % form.body)


def _bare_form_later(form: Form) -> Fault:
    """Tell it as a line that is not an event."""
    return _after_two_pieces(form.body + b"\n\n")


def _stream_for_json(attempt: Attempt) -> None:
    attempt.begin()
    _finish(attempt, 0)


FAULTS: Mapping[str, Fault] = {
    "ok": _ok,
    "reset": lambda attempt: attempt.exchange.reset(),
    "close": lambda attempt: attempt.exchange.cut(),
    "silent": lambda attempt: attempt.exchange.wait_until_hung_up(),
    "cut": _cut_after(3),
    "stall": _stall,
    "garbage-event": _after_two_pieces(b"data: <not json>\n\n"),
    "no-finish": _after_two_pieces(b""),
    "no-terminator": _no_terminator,
    "error-event": _error_event,
    "limit-event": _limit_event,
    "error-first": _error_first,
    "error-200": _error_200,
    "empty-200": lambda attempt: attempt.whole(b""),
    "truncated-json": _truncated_json,
    "truncated-event": _truncated_event,
    "done-only": _done_only,
    "wrong-type": _wrong_type,
    "oversized": _oversized,
    "comments": _comments,
    "role-only": _role_only,
    "slow-first-token": _late_token(),
    "comment-then-token": _late_token(b": keep-alive\n\n"),
    "role-then-token": _late_token(events=1),
    "json-for-stream": lambda attempt: attempt.whole(attempt.dialect.whole(attempt.model)),
    "stream-for-json": _stream_for_json,
    **{f"error-200-{name}": _form(form) for name, form in FORMS.items()},
    **{f"error-body-{name}": _form_as_body(form) for name, form in FORMS.items()},
    **{f"error-later-{name}": _form_later(form) for name, form in FORMS.items()},
    **{f"error-bare-{name}": _bare_form_later(form) for name, form in FORMS.items()},
    "context-length": lambda attempt: attempt.refuse(400, attempt.dialect.too_long()),
    "content-filter": lambda attempt: attempt.refuse(400, attempt.dialect.filtered()),
    "again-in-1s": _again_after(retry_after=lambda: "1"),
    "again-in-50ms": _again_after(retry_after_ms=lambda: "50"),
    "again-at-a-date": _again_after(retry_after=_date_in(2)),
    "again-in-an-hour": _again_after(retry_after=lambda: "3600"),
    "again-in-an-hour-of-ms": _again_after(retry_after_ms=lambda: "3600000", retry_after=lambda: "0"),
    "again-at-a-late-date": _again_after(retry_after=_date_in(3600)),
}


def fault_of(name: str) -> Fault:
    """Return what a name means; `status-N` refuses with the status N, `cut-after-N` cuts after N events."""
    kind, _, number = name.rpartition("-")
    if kind == "status":
        return lambda attempt: attempt.refuse(int(number))
    if kind == "cut-after":
        return _cut_after(int(number))
    return FAULTS.get(name, _ok)


class FullListener:
    """A listener whose queue is full: further connections are neither accepted nor refused (Linux)."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        address = self._listening.getsockname()
        self.url = f"http://127.0.0.1:{address[1]}"
        self._waiting: list[socket.socket] = []
        with suppress(TimeoutError):
            while True:
                self._waiting.append(socket.create_connection(address, timeout=0.2))

    def close(self) -> None:
        """Let go of all that wait."""
        for one in (*self._waiting, self._listening):
            one.close()


class FaultUpstream(Upstream):
    """See this module. `attempts` holds what came, in its order."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._down: set[str] = set()
        self._queued: defaultdict[str, deque[str]] = defaultdict(deque)
        self._fault_of: dict[str, str] = {}
        """By the `traceparent` of an attempt: a request that goes out again on another connection is none."""
        self._held: dict[str, threading.Event] = {}
        self._held_tokens: dict[str, threading.Event] = {}
        self._refusing = socket.socket()
        self._refusing.bind(("127.0.0.1", 0))  # its port is taken, and nobody listens
        self.refused_url = f"http://127.0.0.1:{self._refusing.getsockname()[1]}"
        self._full = FullListener()
        self.unreachable_url = self._full.url
        super().__init__(self._serve)

    def queue(self, model: str, *faults: str) -> None:
        """Have a model do these things, one for each attempt, before what its name says."""
        self._queued[model].extend(faults)

    def break_down(self, model: str) -> None:
        """Have a model answer 503 until it is repaired."""
        self._down.add(model)

    def repair(self, model: str) -> None:
        """End the outage of a model."""
        self._down.discard(model)

    def hold(self, model: str) -> threading.Event:
        """Have a model's answers wait until what is returned is set."""
        self._held[model] = gate = threading.Event()
        return gate

    def hold_token(self, model: str) -> threading.Event:
        """Have the first token of a model's late streams wait until what is returned is set."""
        self._held_tokens[model] = gate = threading.Event()
        return gate

    def of(self, model: str) -> list[Attempt]:
        """Return the attempts on one model."""
        return [attempt for attempt in self.attempts if attempt.model == model]

    def forget(self) -> None:
        """Forget the attempts that came so far, and what was queued."""
        super().forget()
        self.attempts.clear()
        self._queued.clear()
        self._fault_of.clear()
        self._down.clear()
        self._held.clear()
        self._held_tokens.clear()

    def close(self) -> None:
        """Hang up on everyone."""
        self._refusing.close()
        self._full.close()
        super().close()

    def _serve(self, exchange: Exchange) -> None:
        body = json.loads(exchange.body or b"{}")
        model = str(body.get("model"))
        fault = self._next_fault(model, exchange.headers.get("traceparent"))
        dialect: Dialect = Anthropic() if exchange.path.endswith("/messages") else OpenAI()
        attempt = Attempt(exchange, dialect, body, fault, self._held_tokens.get(model))
        self.attempts.append(attempt)
        if (gate := self._held.get(model)) is not None:
            gate.wait(timeout=60)
        fault_of(fault)(attempt)

    def _next_fault(self, model: str, span: str | None) -> str:
        if span is not None and span in self._fault_of:
            return self._fault_of[span]
        queued = self._queued[model]
        fault = "status-503" if model in self._down else queued.popleft() if queued else model
        if span is not None:
            self._fault_of[span] = fault
        return fault


__all__ = ["FAULTS", "PIECES", "Attempt", "FaultUpstream"]
