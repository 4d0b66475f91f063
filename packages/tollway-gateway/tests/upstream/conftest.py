"""What the tests of the client share: a client on a loop of its own, requests, and certificates."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tollway.gateway.upstream import HTTP1Client
from tollway.provider import UpstreamRequest

CONNECT_S = 10.0


def run(
    test: Callable[[HTTP1Client], Awaitable[Any]], environ: dict[str, str] | None = None, **options: Any
) -> Any:
    async def main() -> Any:
        client = HTTP1Client(environ or {}, **options)
        try:
            return await asyncio.wait_for(test(client), 30)
        finally:
            await client.close()

    return asyncio.run(main())


def post(url: str, body: bytes = b"{}", *headers: tuple[str, str]) -> UpstreamRequest:
    return UpstreamRequest(url, headers, body)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A key and a certificate for `localhost` that vouches for itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {cert}"
    try:
        subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    return key, cert


def trusting(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Return the context of a client that trusts the certificate."""
    return ssl.create_default_context(cafile=certificate[1])


def serving_tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """Return the context of a server that has the certificate."""
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


@pytest.fixture
def https(certificate: tuple[Path, Path]) -> Iterator[int]:
    """A TLS server that answers every connection's first request with its path; gives its port."""
    context = serving_tls(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
                with context.wrap_socket(raw, server_side=True) as connection:
                    path = connection.recv(65536).split(b" ")[1]
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(path) + path)
                    connection.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


class Proxy:
    """A real proxy on a loop of its own: it connects where CONNECT says, and answers what it is to forward.

    `heads` are the heads that it was sent; `reply` is what it says to CONNECT, and None means to connect.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, reply: bytes | None = None) -> None:
        self.heads: list[str] = []
        self.port = 0
        self._reply = reply
        self._tls = tls
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._started.wait(20)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"), reader, writer)
            await reader.read()
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(head)
        if not head.startswith("CONNECT "):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nby-proxy")
        elif self._reply is not None:
            writer.write(self._reply)
        else:
            host, _, port = head.split(" ")[1].rpartition(":")
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    def close(self) -> None:
        """Stop, and cut off what is connected."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side is gone."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.transport.abort()


@pytest.fixture
def proxy() -> Iterator[Callable[..., Proxy]]:
    """Starts proxies."""
    started: list[Proxy] = []

    def start(**options: Any) -> Proxy:
        started.append(Proxy(**options))
        return started[-1]

    yield start
    for one in started:
        one.close()
