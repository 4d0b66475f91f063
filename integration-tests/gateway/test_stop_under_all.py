"""SIGTERM ends the gateway with 0 while everything that can hang does, all at once."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support import hanging_provider
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream, chunk

MANY = 8
"""Connections of each kind: with two workers both have some."""

LIMITS = {"total": "600s", "first_token": "600s", "idle": "600s"}

_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

SENT = {
    "half a head": _HEAD + b"X-A: ",
    "half a body": _HEAD + b"Content-Length: 1000\r\n\r\n{",
    "half a chunk": _CHUNKED + b"9\r\n{",
    "a flood of tiny chunks": _CHUNKED + b"1\r\n \r\n" * 20_000,
    "kept alive": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def asking(name: str, said: str, *, stream: bool) -> bytes:
    body = {"model": name, "messages": [{"role": "user", "content": said}], "stream": stream}
    data = json.dumps(body).encode()
    return _HEAD + b"Content-Length: %d\r\n\r\n" % len(data) + data


class Upstreams:
    """One that falls silent in the midst of a stream, and one that sends without end."""

    def __init__(self) -> None:
        self.silent = threading.Semaphore(0)
        self.flooding = threading.Semaphore(0)
        self._gone = threading.Event()
        self.stalling, self.endless = Upstream(self._stall), Upstream(self._flood)

    def _stall(self, exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.event(chunk("and then"))
        self.silent.release()
        self._gone.wait(60)

    def _flood(self, exchange: Exchange) -> None:
        exchange.begin_stream()
        self.flooding.release()
        with contextlib.suppress(OSError):
            while not self._gone.is_set():
                exchange.event(chunk("on and on " * 100))

    def close(self) -> None:
        self._gone.set()
        self.stalling.close()
        self.endless.close()


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    made = Upstreams()
    yield made
    made.close()


@pytest.fixture
def deaf_collector() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def connect() -> Iterator[Callable[[Gateway, bytes], socket.socket]]:
    """Opens connections that read little, and stay open."""
    with ExitStack() as stack:

        def opened(gateway: Gateway, data: bytes) -> socket.socket:
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            connection.settimeout(20)
            connection.sendall(data)
            return connection

        yield opened


def _openai(name: str, upstream: Upstream) -> dict[str, Any]:
    base = f"{upstream.url}/v1"
    return endpoint(name, "openai", "m", timeout=LIMITS, openai_api_key="k", openai_api_base=base)


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_everything_hangs(
    start_gateway: Callable[..., Gateway],
    connect: Callable[[Gateway, bytes], socket.socket],
    upstreams: Upstreams,
    deaf_collector: str,
    tmp_path: Path,
    options: tuple[str, ...],
):
    config = {
        "endpoints": [
            endpoint("hangs", "hangs", "close", timeout=LIMITS),
            endpoint("deaf", "hangs-later", "m", timeout=LIMITS),
            _openai("stalls", upstreams.stalling),
            _openai("floods", upstreams.endless),
        ],
        "server": {"drain_timeout": "500ms"},
        "tracing": {"otlp": {"endpoint": deaf_collector}},
    }
    gateway = start_gateway(config, options=options, **hanging_provider.install(tmp_path))
    for _ in range(MANY):
        connect(gateway, asking("hangs", "hang", stream=False))
        connect(gateway, asking("deaf", "deaf", stream=True))
        connect(gateway, asking("stalls", "hi", stream=True))
        connect(gateway, asking("floods", "hi", stream=True))
        for data in SENT.values():
            connect(gateway, data)
    for _ in range(MANY):
        assert upstreams.silent.acquire(timeout=30)
        assert upstreams.flooding.acquire(timeout=30)
    while gateway.metric("gateway_predict_calls") < 2 * MANY:
        pass
    assert 0 == gateway.stop()
    output = gateway.process.output
    assert "left behind: " in output
    assert "Traceback" not in output
