"""An upstream that speaks OpenAI's dialect and fails on command, as no real server can be made to.

It records what it was asked, headers included, and notices when the gateway hangs up.
"""

from __future__ import annotations

import json
import queue
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from support.processes import WAIT_S

COMPLETION = {
    "id": "chatcmpl-upstream",
    "object": "chat.completion",
    "created": 1,
    "model": "recorded",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def chunk(text: str, finish_reason: str | None = None) -> dict[str, Any]:
    """Return one event of a streamed answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "recorded",
        "choices": [choice],
    }


class Exchange:
    """One request as the upstream got it, and the ways to answer it."""

    def __init__(self, connection: socket.socket, head: str, headers: dict[str, str], body: bytes) -> None:
        self._connection = connection
        self.method, self.path, _ = head.split(" ", 2)
        self.headers = headers
        self.fields: list[tuple[str, str]] = []
        """The headers as they came, each as often as it did."""
        self.body = body
        self.hung_up = threading.Event()
        self.hung_up_s: float | None = None
        """When the gateway hung up, by `time.monotonic`."""
        self.closed = False

    def answer(self, value: Any = COMPLETION, status: int = 200, **headers: str) -> None:
        """Answer with a whole body; bytes go out as they are."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        fields = {"content_type": "application/json", "content_length": str(len(body))} | headers
        lines = "".join(f"{name.replace('_', '-')}: {said}\r\n" for name, said in fields.items())
        self.send(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)

    def begin_stream(self) -> None:
        """Send the head of a stream."""
        self.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")

    def event(self, value: Any) -> None:
        """Send one event; bytes go out as they are."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        event = b"data: " + data + b"\n\n"
        self.send(b"%x\r\n%b\r\n" % (len(event), event))

    def end_stream(self) -> None:
        """Finish a stream as OpenAI does."""
        self.event(b"[DONE]")
        self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        """Close the connection in the midst of it."""
        self.closed = True
        self._connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Abort the connection: the peer gets a TCP reset."""
        self.closed = True
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def wait_until_hung_up(self) -> None:
        """Say nothing until the gateway hangs up."""
        self._connection.settimeout(WAIT_S)
        with suppress(OSError):
            if self._connection.recv(1) != b"":
                return
        self.note_hang_up()

    def note_hang_up(self) -> None:
        """Note that the gateway has hung up, whether that was read or met while something was sent."""
        self.closed = True
        self.hung_up_s = time.monotonic()
        self.hung_up.set()

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._connection.sendall(data)


Script = Callable[[Exchange], None]


class Upstream:
    """A service on a real socket; each request goes to the test's `script`."""

    def __init__(self, script: Script = Exchange.answer) -> None:
        self.script = script
        self.requests: queue.Queue[Exchange] = queue.Queue()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def next_request(self) -> Exchange:
        """Return the next request that came, waiting for it."""
        return self.requests.get(timeout=WAIT_S)

    def forget(self) -> None:
        """Forget the requests that came so far."""
        self.requests = queue.Queue()

    def close(self) -> None:
        """Hang up on everyone."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        self._socket.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as reader:
            while head := reader.readline():
                fields = []
                while (field := reader.readline()) not in (b"\r\n", b""):
                    name, _, value = field.decode("latin-1").partition(":")
                    fields.append((name.lower(), value.strip()))
                headers = dict(fields)
                body = reader.read(int(headers.get("content-length", 0)))
                exchange = Exchange(connection, head.decode(), headers, body)
                exchange.fields = fields
                self.requests.put(exchange)
                try:
                    self.script(exchange)
                except OSError:
                    exchange.note_hang_up()
                if exchange.closed:
                    return
