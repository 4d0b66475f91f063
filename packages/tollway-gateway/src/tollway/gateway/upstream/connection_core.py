"""One HTTP/1.1 connection to an upstream: llhttp, and one exchange at a time.

Every part of an answer is bounded: the head and the trailers in bytes and in fields, what frames the body
(chunk extensions, interim answers) in bytes without a byte of the body between them, a whole body by the
caller's limit, and of a stream what nobody has read yet. Over a bound the exchange fails and the connection
is closed.

Small chunks cost much more time than their bytes: after so many everybody else has a turn, and a body of
nothing but tiny ones fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any, cast

import httptools

from tollway.gateway.outbox import outbox_of
from tollway.gateway.upstream._limits import MAX_ERROR_BYTES, too_large
from tollway.provider import ResponseError, UpstreamConnectionError
from tollway.tracing.compiled import accept_proxies

_HIGH_WATER_BYTES = 64 * 1024
"""What is held of a stream that nobody reads; the socket waits from there on, and so does the upstream."""

_MAX_FRAMING_BYTES = 64 * 1024
"""Bytes in which no byte of a body is: of the head, the trailers, and of what stands between chunks."""

_MAX_FIELDS = 256
"""Fields of head and trailers together, interim answers included."""

_MAX_PIECES = 1024
"""Pieces of a body that are held one by one: a small piece takes more memory than its bytes."""

_TURN_BYTES = 32 * 1024
_PIECES_A_TURN = 1024
"""Pieces of a body after which no more than `_TURN_BYTES` are parsed before everybody else has had a turn."""

_TINY_BYTES = 16
_MAX_TINY = 65_536
_TINY_A_READ = 64
"""Pieces of less than `_TINY_BYTES`: any number of them over time, `_MAX_TINY` at once."""

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""What tells where a body ends, other than the end of its connection."""


class ConnectionCore:
    """What a connection does without a wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = perf_counter) -> None:
        self._new_future = loop.create_future
        self._call_soon = loop.call_soon
        self._outbox = outbox_of(loop)
        self._clock = clock
        self._unwritten = b""
        self._written_s = 0.0
        self._parser: Any = httptools.HttpResponseParser(self)
        self.transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamConnectionError | ResponseError | None = None
        self.closed = False
        self._began_s = self._woken_s = 0.0
        self.connected_in_s = 0.0  # how long that took, a round trip at least
        self.exchanges = 0
        self._body: list[bytes] = []
        self._joined: list[bytes] = []
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.waited_s = 0.0  # until bytes arrived, not until somebody was there to take them
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.content_encoding = b""
        self._field_count = 0
        self._field_bytes = 0
        self._framing_bytes = 0
        self._keep_alive = False
        self._body_bytes = 0
        self._unparsed = b""
        self._pieces = 0
        self._tiny = 0
        self._check_at_bytes = _HIGH_WATER_BYTES
        self._max_bytes = 0
        self._paused = False
        self.answering = False
        self.head_complete = False
        self.complete = True

    # What the owner does

    def ask(self, data: bytes, max_bytes: int = 0) -> asyncio.Future[None]:
        """Start an exchange; await what is returned for `status` and `headers`.

        With `max_bytes` it comes true when all of the answer is there, which fails if its body is larger.
        The body of an answer that is no success ends early instead.
        """
        self._reset()
        self.exchanges += 1
        self._unwritten = data
        if self.closed:
            raise UpstreamConnectionError("the model's service hung up before it was asked")
        self.complete = False
        self._max_bytes = max_bytes
        if 0 < max_bytes < _HIGH_WATER_BYTES:
            self._check_at_bytes = max_bytes
        answer = self.next()
        if self._outbox.requests > 1:
            self._outbox.post(self)
        else:
            self.flush()
        return answer

    def flush(self) -> None:
        """Write the request: the wait for its answer begins here."""
        transport = self.transport
        if transport is None or transport.is_closing():  # `connection_lost` tells who waits
            return
        data, self._unwritten = self._unwritten, b""
        self._written_s = self._clock()
        transport.write(data)

    @property
    def is_unsent(self) -> bool:
        """Whether no byte of the request was written."""
        return bool(self._unwritten)

    def read_nowait(self) -> bytes | None:
        """Return what is there of the body, nothing at its end, and None when it must be waited for."""
        if self._body_bytes:
            return self.take()
        return b"" if self.complete else None

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow: both sides have said all, and all was read."""
        if not self.complete or not self._keep_alive or self.closed or self._body_bytes or self._unparsed:
            return False
        return self.transport is not None and not self.transport.get_write_buffer_size()

    def idle_s(self) -> float:
        """Return for how long it has been unused: since bytes of its last answer came."""
        return self._clock() - self._woken_s

    def abort(self) -> None:
        """Hang up now, and be read no more."""
        if self._waiter is not None:  # who waited has given up
            self._stop_waiting()
        self._error = None  # where it was raised, frames hold this: no cycle is left for Python's collector
        self._hang_up()

    def _hang_up(self) -> None:
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def take(self) -> bytes:
        """Return what is there of the body."""
        body = self._body
        if self._joined:
            body[:0] = self._joined
            self._joined.clear()
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._body_bytes = 0
        if self._paused:
            self._resume()
        return data

    def _resume(self) -> None:
        if self._paused and self.transport is not None and not self._unparsed and not self.closed:
            self._paused = False
            self.transport.resume_reading()

    def _pause(self) -> None:
        if not self._paused and self.transport is not None and not self.closed:
            self._paused = True
            self.transport.pause_reading()

    def next(self) -> asyncio.Future[None]:
        """Return what comes true when something has come. Raises what went wrong before."""
        if self._error is not None:
            raise self._error
        self._began_s = self._clock()
        self._waiter = waiter = self._new_future()
        return waiter

    def _stop_waiting(self) -> None:
        """Add the wait up to now: it began when it was asked, but not before the request was written."""
        self._waiter = None
        self._woken_s = now_s = self._clock()
        self.waited_s += now_s - max(self._began_s, self._written_s)

    def _wake(self) -> None:
        """Tell who waits that something has come, or what went wrong."""
        waiter = self._waiter
        if waiter is None:
            return
        self._stop_waiting()
        if waiter.done():  # it has given up
            return
        if self._error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(self._error)

    def _fail(self, error: UpstreamConnectionError | ResponseError) -> None:
        if self._error is None:
            self._error = error
        self._wake()
        self._hang_up()

    # What the transport says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse. Bytes that nobody asked for end the connection (RFC 9112 section 9.2)."""
        if self.complete:
            self.abort()
            return
        if self._unwritten:
            self._fail(UpstreamConnectionError("the model's service answered before it was asked"))
            return
        self.answering = True
        self._tiny = max(0, self._tiny - _TINY_A_READ)
        if self._unparsed:
            self._unparsed += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parse, until it is somebody else's turn."""
        at = _TURN_BYTES
        view = memoryview(data)  # its parts are no copies
        self._parse_part(data if len(data) <= at else view[:at])
        while at < len(data) and not self.closed:
            if self.complete:
                self.abort()
            elif self._pieces > _PIECES_A_TURN:
                self._unparsed = data[at:]
                self._pause()
                self._call_soon(self.parse_on)
                return
            else:
                self._parse_part(view[at : at + _TURN_BYTES])
                at += _TURN_BYTES
        if self._pieces > _PIECES_A_TURN and not self.complete:
            self._pause()
            self._call_soon(self.parse_on)

    def parse_on(self) -> None:
        """Parse what was left over, now that everybody else had a turn."""
        data, self._unparsed = self._unparsed, b""
        self._pieces = 0
        if self.closed:
            return
        if data:
            self._parse(data)
        if not self._unparsed and (self._max_bytes or self._body_bytes <= _HIGH_WATER_BYTES):
            self._resume()

    def _parse_part(self, data: bytes | memoryview) -> None:
        self._framing_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse("the model's service did not answer in HTTP/1.1")
        except httptools.HttpParserUpgrade:
            self._refuse("the model's service switched to another protocol")
        if self._framing_bytes > _MAX_FRAMING_BYTES:
            self._refuse("the header of the model's service is too large")
        if self._tiny > _MAX_TINY:
            self._refuse("the model's service sent too many chunks of a few bytes")

    def _refuse(self, message: str) -> None:
        """Fail over what an answer is like; what is wrong behind its end costs only the connection."""
        if self.complete:
            self._hang_up()
        else:
            self._fail(ResponseError(message))

    def connection_lost(self, exc: Exception | None) -> None:
        """End a body that lasts until the connection does; every other one is cut off."""
        self.closed = True
        self._parser = None  # it holds this: no cycle is left for Python's collector
        if not self.complete:
            if self.head_complete and exc is None and not self._is_framed():
                self.complete = True
            elif self._error is None:
                self._error = UpstreamConnectionError(
                    "the model's service hung up before the end of its answer"
                )
        self._wake()

    # What the parser says

    def on_message_begin(self) -> None:
        """Hang up on what follows an answer without a question: the next caller is not to get it."""
        if self.complete:
            self._hang_up()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; trailers (RFC 9110 section 6.5) are counted and dropped."""
        self._field_count += 1
        self._field_bytes += len(name) + len(value)
        if self._field_count > _MAX_FIELDS or self._field_bytes > _MAX_FRAMING_BYTES:
            self._refuse("the header of the model's service is too large")
        elif not self.head_complete:
            self.raw_headers.append((name, value))
            if len(name) == 16 and name.lower() == b"content-encoding":
                self.content_encoding += b"," + value
            elif (
                len(name) == 17
                and name.lower() == b"transfer-encoding"
                and value.strip().lower() != b"chunked"
            ):
                # What is not offered in TE must not be sent (RFC 9112 section 7.4).
                self._refuse("the model's service used a transfer coding that is not supported")

    def on_headers_complete(self) -> None:
        """Take the head, unless it is an interim one (RFC 9110 section 15.2)."""
        if self.head_complete:
            return
        status: int = self._parser.get_status_code()
        if status < 200:
            self.raw_headers.clear()
            self.content_encoding = b""
            if status < 100:
                self._refuse("the model's service did not answer in HTTP/1.1")
            return
        self.status = status
        self._keep_alive = self._parser.should_keep_alive()
        self.head_complete = True
        if not self._max_bytes:
            self._wake()
        elif status >= 300 and self._max_bytes > MAX_ERROR_BYTES:
            self._max_bytes = MAX_ERROR_BYTES

    def _is_framed(self) -> bool:
        """Say whether the head tells where the body ends; else its end is that of the connection."""
        return any(name.lower() in _FRAMING for name, _ in self.raw_headers)

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body, within the bounds."""
        if self.complete or self._error is not None:
            return
        self._framing_bytes = 0
        self._pieces += 1
        if len(data) < _TINY_BYTES:
            self._tiny += 1
        self._body.append(data)
        self._body_bytes += len(data)
        if self._body_bytes > self._check_at_bytes or len(self._body) > _MAX_PIECES:
            self._check_body()
        if not self._max_bytes:
            self._wake()

    def _check_body(self) -> None:
        """Stop the socket of a stream that nobody reads; hold a whole body to its bound."""
        if len(self._body) > _MAX_PIECES:
            self._joined.append(b"".join(self._body))
            self._body.clear()
        if self._body_bytes <= self._check_at_bytes:
            return
        if not self._max_bytes:
            self._pause()
        elif self.status >= 300:
            self._cut_error()
        elif self._body_bytes > self._max_bytes or self._announced_bytes() > self._max_bytes:
            self._joined.clear()
            self._body.clear()
            self._fail(too_large(self._max_bytes))
        else:
            self._check_at_bytes = self._max_bytes

    def _cut_error(self) -> None:
        """End the body of an error here if it is too large: its beginning says what went wrong."""
        self._check_at_bytes = self._max_bytes
        if self._body_bytes > self._max_bytes:
            self._body.append(self.take()[: self._max_bytes])
            self._body_bytes = self._max_bytes
            self.complete = True
            self._wake()
            self._hang_up()

    def _announced_bytes(self) -> int:
        """Return the length that the head announces; llhttp has checked that it is one number."""
        return next((int(value) for name, value in self.raw_headers if name.lower() == b"content-length"), 0)

    def on_message_complete(self) -> None:
        """Note the end of the answer (interim answers end too, and do not count)."""
        if self.head_complete:
            self.complete = True
            self._wake()


accept_proxies(ConnectionCore)
