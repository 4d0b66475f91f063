"""TLS, straight and through a proxy, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading

import pytest

from tollway.gateway.upstream import HTTP1Client
from tollway.provider import UpstreamConnectionError, UpstreamRequest

CONNECT_S = 10.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {cert}"
    try:
        subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    return key, cert


@pytest.fixture
def https(certificate):
    """A TLS server that answers every connection's first request with its path; gives its port."""
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
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


def trusting(certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate[1])


def ask(port: int, environ: dict[str, str], tls: ssl.SSLContext | None) -> bytes:
    async def main() -> bytes:
        client = HTTP1Client(environ, tls)
        try:
            request = UpstreamRequest(f"https://localhost:{port}/over-tls", (), b"{}")
            return (await asyncio.wait_for(client.send(request, CONNECT_S), 20)).body
        finally:
            await client.close()

    return asyncio.run(main())


def test_https(certificate, https):
    assert ask(https, {}, trusting(certificate)) == b"/over-tls"


def test_certificate_that_nobody_vouches_for_is_refused(https):
    with pytest.raises(UpstreamConnectionError, match="certificate"):
        ask(https, {}, None)


def test_https_through_a_proxy(certificate, https, upstream):
    """The proxy is asked to connect, with its credentials, and sees nothing of what follows."""
    asked = []

    def proxy(exchange):
        asked.append((exchange.method, exchange.path, exchange.headers.get("proxy-authorization")))
        exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", https)) as inner:
            up = threading.Thread(target=pump, args=(exchange._connection, inner), daemon=True)
            up.start()
            pump(inner, exchange._connection)
            up.join(20)
        exchange.closed = True

    server = upstream(proxy)
    environ = {"HTTPS_PROXY": f"http://me:pw@127.0.0.1:{server.port}"}
    assert ask(https, environ, trusting(certificate)) == b"/over-tls"
    assert asked == [("CONNECT", f"localhost:{https}", "Basic bWU6cHc=")]


def test_proxy_that_refuses(certificate, https, upstream):
    server = upstream(lambda exchange: exchange.answer({}, 407))
    with pytest.raises(UpstreamConnectionError, match="407"):
        ask(https, {"HTTPS_PROXY": server.url}, trusting(certificate))


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
