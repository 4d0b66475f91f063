"""The servers that the clients ask: nginx plain, by TLS and HTTP/2, as a proxy; streams, fast and paced."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

GATEWAYS = Path(__file__).parent.parent / "gateway"
sys.path.append(str(GATEWAYS))

import upstream  # noqa: E402 - the mock of the gateway's benchmark
import uvloop  # noqa: E402

PACED_EVENTS, PACE_S = 20, 0.25

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"20\r\ndata: " + b"x" * 24 + b"\n\n\r\n"

NGINX = """
server {{ listen 127.0.0.1:{http} backlog=4096; {answer} }}
server {{ listen 127.0.0.1:{https} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key}; {answer} }}
upstream whole {{ server 127.0.0.1:{http}; keepalive 64; }}
server {{ listen 127.0.0.1:{proxy}; location / {{
  proxy_pass http://whole; proxy_http_version 1.1; proxy_set_header connection ""; }} }}
"""
ANSWERING = "location / { default_type application/json; return 200 '%s'; }"


@dataclass(frozen=True, slots=True)
class Ways:
    """Where each server is, and whom to trust."""

    http: str
    https: str
    proxy: str
    streams: str
    paced: str
    trusted: str


class Paced(asyncio.Protocol):
    """Answers with a stream of so many events, one every so often."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._left = 0

    def data_received(self, data: bytes) -> None:
        self._transport.write(STREAM_HEAD)
        self._left = PACED_EVENTS
        self._tell()

    def _tell(self) -> None:
        if self._left == 0:
            self._transport.write(b"0\r\n\r\n")
            return
        self._left -= 1
        self._transport.write(EVENT)
        asyncio.get_running_loop().call_later(PACE_S, self._tell)


async def serve_paced(port: int) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Paced, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """Make an authority, and a certificate by it for localhost: rustls takes no server that is its own."""
    trusted, signing = folder / "ca.pem", folder / "ca.key"
    cert, key = folder / "cert.pem", folder / "key.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 1"
    for command in (
        f"{request} -subj /CN=authority -keyout {signing} -out {trusted}",
        f"{request} -CA {trusted} -CAkey {signing} -subj /CN=localhost -addext subjectAltName=DNS:localhost"
        f" -addext basicConstraints=critical,CA:FALSE -keyout {key} -out {cert}",
    ):
        subprocess.run(command.split(), check=True, capture_output=True)
    return trusted, cert, key


@contextmanager
def servers() -> Iterator[Ways]:
    """Start all servers, and end them after the block."""
    http, https, proxy, paced_port = (upstream.free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trusted, cert, key = certificates(folder)
        answer = ANSWERING % json.dumps(upstream.ANSWER)
        config = NGINX.format(http=http, https=https, proxy=proxy, cert=cert, key=key, answer=answer)
        nginx = upstream.start_nginx(folder, config)
        mock = subprocess.Popen(
            [sys.executable, GATEWAYS / "upstream.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        paced = subprocess.Popen([sys.executable, __file__, str(paced_port)])
        try:
            assert mock.stdout is not None
            _, streams = mock.stdout.readline().split()
            yield Ways(
                http=f"http://127.0.0.1:{http}/",
                https=f"https://localhost:{https}/",
                proxy=f"http://127.0.0.1:{proxy}",
                streams=f"http://127.0.0.1:{streams}/",
                paced=f"http://127.0.0.1:{paced_port}/",
                trusted=str(trusted),
            )
        finally:
            for process in (nginx, mock, paced):
                process.terminate()
                process.wait(10)


def written(ways: Ways) -> str:
    """Return what another process of the benchmark can read."""
    return json.dumps(asdict(ways))


if __name__ == "__main__":
    uvloop.run(serve_paced(int(sys.argv[1])))
