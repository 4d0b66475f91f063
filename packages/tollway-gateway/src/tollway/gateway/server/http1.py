"""HTTP/1.1 on one connection (RFC 9112): bytes become exchanges, answers become bytes.

Uvicorn makes one of these for each connection that its server accepts. It relies on the constructor and on
`shutdown()`, and on the sets and counts of `ServerState` that are kept here.

A connection has one exchange at a time. What comes behind its request waits, unparsed, until it is answered:
answers keep their order, a request that never runs is never made, and nothing that comes behind a good
request can take its answer. When too much waits, the connection is not read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from tollway.gateway.errors import RequestRejected
from tollway.tracing.compiled import accept_proxies

from .body import Body, ChunkedBody, LengthBody
from .connection import NEVER, Connection
from .exchange import Exchange
from .exchange_core import ExchangeCore
from .head import MAX_HEAD_BYTES, RequestHead, begin_of_head, malformed
from .refusal import head_so_far, overloaded, refusal_of, too_large, too_slow
from .service import service_of

_END_OF_HEAD = b"\r\n\r\n"

_NO_HEAD = re.compile(rb"(?<!\r)\n|\0")
"""What no head has in it, and what therefore need not be waited for the end of."""

_MAX_WAITING_BYTES = 65_536
"""Of a body that nobody takes, or behind a request: when there is more, the connection is not read."""

_SMALL_BYTES = 8_192
"""What a connection may hold also when all of them hold too much."""

_MAX_SKIPPED_BYTES = 1_048_576
"""Of a request, after its answer: they are read and thrown away."""


class HTTPProtocol(Connection):
    """One connection from a caller."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        loop = _loop or asyncio.get_running_loop()
        self.service = service_of(config, server_state, app_state, loop)
        Connection.__init__(self, loop, self.service.outbox, server_state)
        self.limits = self.service.limits
        self.exchange: Exchange | None = None
        """What is not answered yet."""
        self.deadline_s = NEVER
        self._is_new = True
        self._received_s = 0.0
        self._waiting = bytearray()
        """The beginning of a head, or what came behind a request that is not answered."""
        self._searched = 0
        self._body: Body | None = None
        """The request's body, while it is on its way."""
        self._is_broken = False
        """Whether nothing of what still comes can be understood."""
        self._lingers = False
        self._skip_left = 0
        self._memory: Any = None
        """The budget that `counted_bytes` are in."""
        self._unsent = 0

    # Calls of the transport, and of Uvicorn

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self.server = _address(transport.get_extra_info("sockname"))
        self.client = _address(transport.get_extra_info("peername"))
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = "https"
        self.state.connections.add(self)  # type: ignore[arg-type]  # Uvicorn calls its `shutdown()`, no more
        self.deadline_s = self.loop.time() + self.limits.head_s
        self.service.sweeper.start()

    def data_received(self, data: bytes) -> None:
        """Take what the caller sent."""
        if self.is_ending or self._is_broken:
            self._skip(len(data))
            return
        if self._body is not None and not self._waiting:
            data = self._read_body(data)
            if not data:
                return
        if self._body is not None:
            self._read_later(data)
            return
        if not self._waiting:
            self._received_s = perf_counter()
            if self.exchange is None and not self.write_paused:
                self._read_request(data)
                return
        self._waiting += data
        if self.exchange is None and not self.write_paused:
            self._read_waiting()
        else:
            self._hold_waiting()

    def eof_received(self) -> None:
        """Take it that the caller is gone: the transport then closes itself."""

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the application, and hold on to nothing."""
        self.state.connections.discard(self)
        self.deadline_s = NEVER
        self.is_ending = True
        self._waiting = bytearray()
        self._body = None
        exchange, self.exchange = self.exchange, None
        self._count_held()
        if exchange is not None:
            exchange.hung_up()
        self.resume()
        if error is None:
            self.transport.close()

    def pause_writing(self) -> None:
        """Have exchanges wait: the caller does not read."""
        self.write_paused = True
        self._unsent = self.transport.get_write_buffer_size()
        self.deadline_s = min(self.deadline_s, self.loop.time() + self.limits.read_s)

    def resume_writing(self) -> None:
        """Let exchanges write again."""
        self.resume()
        self._unsent = -1
        if self.exchange is None and not self.is_ending and self._body is None:
            self._go_on()

    def shutdown(self) -> None:
        """Hang up once there is nothing more to answer."""
        exchange = self.exchange
        if exchange is not None:
            exchange.hang_up_after()
        elif not self.is_ending:
            self._end()
        elif self._lingers:
            self._lingers = False
            if not self.unwritten:
                self.transport.close()

    def on_deadline(self, now_s: float) -> None:
        """End what took too long; see `service.Timed`."""
        unsent = self.transport.get_write_buffer_size()
        if unsent:
            if unsent == self._unsent:
                self.transport.abort()
            self._unsent = unsent
            self.deadline_s = now_s + self.limits.read_s
        elif self.exchange is not None:
            self.deadline_s = NEVER
            if self._body is not None and not self.read_paused:
                self._break(too_slow())
        elif self.is_ending:
            self.transport.close()
        elif self._waiting:
            self._refuse_waiting(too_slow)
        else:
            self._end()

    # In: heads

    def _read_request(self, data: bytes) -> None:
        """Read a request that begins with these bytes."""
        if data.startswith(b"\r\n"):
            data = data[begin_of_head(data) :]
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        if len(_END_OF_HEAD) <= end <= MAX_HEAD_BYTES:
            self._begin(data[:end], data[end:])
        elif data:
            self._waiting += data
            self._read_waiting()

    def _read_waiting(self) -> None:
        """Read a request of what waits, if its head is there."""
        waiting = self._waiting
        if waiting.startswith(b"\r\n"):
            del waiting[: begin_of_head(waiting)]
        end = waiting.find(_END_OF_HEAD, self._searched) + len(_END_OF_HEAD)
        if end < len(_END_OF_HEAD):
            self._await_head()
        elif end > MAX_HEAD_BYTES:
            self._refuse_waiting(too_large)
        else:
            head = bytes(waiting[:end])
            del waiting[:end]
            self._searched = 0
            self._count_held()
            self._begin(head, b"")
            self._read_waiting_body()

    def _await_head(self) -> None:
        """Wait for the rest of a head, if it can still become one."""
        waiting = self._waiting
        if not waiting:
            return
        if len(waiting) > MAX_HEAD_BYTES:
            self._refuse_waiting(too_large)
        elif not 0x41 <= waiting[0] <= 0x5A or _NO_HEAD.search(waiting, self._searched):
            self._refuse(RequestHead(), malformed("the request is not HTTP/1.1"))
        else:
            if not self._searched and not self._is_new:
                self.deadline_s = self.loop.time() + self.limits.head_s
            self._searched = max(1, len(waiting) - len(_END_OF_HEAD) + 1)
            if not self._count_held():
                self._refuse_waiting(overloaded)

    def _begin(self, data: bytes, behind: bytes) -> None:
        """Begin an exchange with the request of this head; `behind` is what came behind it."""
        head = RequestHead()
        try:
            head.parse(data)
        except RequestRejected as error:
            self._refuse(head, error)
            return
        self._is_new = False
        self.deadline_s = NEVER
        self.exchange = exchange = Exchange(self, head, self._received_s)
        length = head.content_length
        if head.chunked:
            self._await_body(ChunkedBody())
        elif length > 0 and length != len(behind):
            self._await_body(LengthBody(length))
        elif length > 0:
            exchange.arrived_with_head(behind)
            behind = b""
        else:
            exchange.arrived_with_head(b"")
        if behind and self._body is not None:
            behind = self._read_body(behind)
        if behind and self._body is not None:
            self._read_later(behind)
        elif behind:
            self._waiting += behind
            self._hold_waiting()
        exchange.task = task = self.loop.create_task(exchange.run_asgi(self.service.app))
        self.state.tasks.add(task)

    def _refuse_waiting(self, why: Callable[[RequestHead], RequestRejected]) -> None:
        """Answer a head that is not complete and never will be."""
        head = head_so_far(self._waiting)
        self._refuse(head, why(head))

    def _refuse(self, head: RequestHead, error: RequestRejected) -> None:
        """Answer what never becomes an exchange, and tell of it; nothing that follows can be understood."""
        request, data = refusal_of(
            head,
            error.failure,
            self.client[0] if self.client else None,
            perf_counter() - self._received_s,
            self.default_lines(),
        )
        self.service.malformed(request)
        self.write(data)
        self._end(lingers=True)

    # In: bodies

    def _await_body(self, body: Body) -> None:
        self._body = body
        self.deadline_s = self.loop.time() + self.limits.body_s

    def _read_body(self, data: bytes) -> bytes:
        """Take bytes of a body; return what is behind it."""
        body, exchange = self._body, self.exchange
        assert body is not None
        try:
            piece = body.feed(data)
        except RequestRejected as error:
            self._break(error)
            return b""
        if exchange is None:
            self._skip(len(data) - len(body.rest))
        elif exchange.arrived(piece) > _MAX_WAITING_BYTES:
            self._pause_reading()
        else:
            self.deadline_s = self.loop.time() + self.limits.body_s
        self._count_held()
        if not body.complete:
            return body.rest
        self._body = None
        self.deadline_s = NEVER
        if exchange is not None:
            exchange.arrived_whole()
        elif self.is_ending:
            return b""
        else:
            self.deadline_s = self.loop.time() + self.limits.idle_s
        return body.rest

    def _read_later(self, data: bytes) -> None:
        """Read these bytes of a body when everybody else had a turn; others may come before that."""
        if not self._waiting:
            self.loop.call_soon(self._read_waiting_body)
        self._waiting += data
        self._count_held()
        self._pause_reading()

    def _read_waiting_body(self) -> None:
        """Read what waits of a body, or a turn's worth of it."""
        waiting = self._waiting
        while waiting and self._body is not None:
            body = self._body
            left = body.left()
            size = _MAX_WAITING_BYTES if left < 0 else min(left, _MAX_WAITING_BYTES)
            data = bytes(waiting[:size])
            del waiting[:size]
            rest = self._read_body(data)
            if rest and self._body is not None:
                data = rest + bytes(waiting)
                waiting.clear()
                self._read_later(data)
                return
            waiting[:0] = rest
        exchange = self.exchange
        if exchange is None and self._body is None:
            if not self.is_ending:
                self._go_on()
        elif exchange is None or exchange.untaken <= _MAX_WAITING_BYTES:
            self.resume_reading()

    def _break(self, error: RequestRejected) -> None:
        """Give up a body: its exchange is told why."""
        self._body = None
        self._is_broken = True
        self._waiting.clear()
        exchange = self.exchange
        if exchange is None:
            self._end(lingers=True)
        else:
            self._pause_reading()
            exchange.body_failed(error)

    def can_skip_body(self) -> bool:
        """See `Connection.can_skip_body`."""
        body = self._body
        return body is not None and body.left() <= _MAX_SKIPPED_BYTES

    def _skip(self, size: int) -> None:
        """Throw bytes away, up to a limit."""
        self._skip_left -= size
        if self._skip_left >= 0 or self.exchange is not None or self.unwritten:
            return
        if self.is_ending:
            self.transport.close()
        else:
            self._end()

    # What is read and held, and when

    def _hold_waiting(self) -> None:
        """Keep what came behind a request until its answer; without room the connection ends with that."""
        exchange = self.exchange
        if not self._count_held() and exchange is not None:
            exchange.hang_up_after()
            self._is_broken = True
            self._waiting.clear()
            self._count_held()
            self._pause_reading()
        elif len(self._waiting) > _MAX_WAITING_BYTES:
            self._pause_reading()

    def _count_held(self) -> bool:
        """Count what is held of what the caller sent; False if all callers together sent too much."""
        exchange = self.exchange
        held = len(self._waiting)
        if exchange is not None:
            held += exchange.untaken
        more = held - self.counted_bytes
        if not more:
            return True
        if not self.counted_bytes:  # another configuration may have another budget
            self._memory = self.service.memory()
        self.counted_bytes = held
        return self._memory.count_unread(more) or held <= _SMALL_BYTES

    def _pause_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            if self._body is not None:  # it is not the caller who is slow
                self.deadline_s = NEVER
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """See `Connection.resume_reading`."""
        self._count_held()
        if not self.read_paused or self.transport.is_closing():
            return
        if (self._is_broken and not self._lingers) or len(self._waiting) > _MAX_WAITING_BYTES:
            return
        if self._body is not None and self._waiting:  # its turn comes
            return
        self.read_paused = False
        if self._body is not None:
            self.deadline_s = self.loop.time() + self.limits.body_s
        self.transport.resume_reading()

    # After an answer

    def on_answered(self, exchange: ExchangeCore) -> None:
        """See `Connection.on_answered`."""
        self.state.total_requests += 1
        self.exchange = None
        self._count_held()
        if self.is_ending or self.transport.is_closing():
            return
        if not exchange.keep_alive:
            self._end(lingers=self._is_broken or self._body is not None or bool(self._waiting))
        elif self._body is not None:
            self._skip_left = _MAX_SKIPPED_BYTES
            self.resume_reading()
            self.deadline_s = self.loop.time() + self.limits.linger_s
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Read the next request, if it is there and the caller reads answers."""
        if self.write_paused:
            self.deadline_s = self.loop.time() + self.limits.read_s
            return
        self.deadline_s = self.loop.time() + self.limits.idle_s
        if self._waiting:
            self._read_waiting()
        self.resume_reading()

    def _end(self, *, lingers: bool = False) -> None:
        """End the connection after what was written.

        One that `lingers` says that nothing more will come, and reads on for a moment: to close with bytes
        unread resets the connection, and the caller may lose the answer (RFC 9112, section 9.6).
        """
        if self.is_ending:
            return
        self._lingers = lingers
        self._waiting.clear()
        self._body = None
        self._count_held()
        self.end()

    def hang_up(self) -> None:
        """See `Connection.hang_up`."""
        transport = self.transport
        if self._lingers and transport.can_write_eof() and not transport.is_closing():
            self.deadline_s = self.loop.time() + self.limits.linger_s
            self._skip_left = _MAX_SKIPPED_BYTES
            transport.write_eof()
            self.resume_reading()
        else:
            self.deadline_s = self.loop.time() + self.limits.read_s
            transport.close()


def _address(info: Any) -> tuple[str, int | None] | None:
    """Return host and port, or the path of a Unix socket."""
    if isinstance(info, str) and info:
        return info, None
    return (str(info[0]), int(info[1])) if isinstance(info, tuple | list) else None


accept_proxies(HTTPProtocol)
