"""HTTP clients for the upstream side, ours beside pyreqwest, by what a gateway does with one.

    python benchmarks/upstream [--rounds 3] [--only PART_OF_A_NAME]

Each measurement is a process of its own on one core, the servers have the other; rounds interleave the
clients, medians are printed. Needs nginx and openssl.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "gateway"))

import upstream  # noqa: E402 - the mock of the gateway's benchmark
import uvloop  # noqa: E402
from clients import CLIENTS, Settings  # noqa: E402
from scenes import PACE_S, PACED_EVENTS, SCENES, Figures, play  # noqa: E402

SERVERS_CPU, CLIENT_CPU = 0, 1

_ANSWER = "{{ default_type application/json; return 200 '{answer}'; }}"
_SERVERS = (
    """
server {{ listen 127.0.0.1:{http} backlog=4096; location / """
    + _ANSWER
    + """ }}
server {{ listen 127.0.0.1:{https} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};
  location / """
    + _ANSWER
    + """ }}
upstream whole {{ server 127.0.0.1:{http}; keepalive 64; }}
server {{ listen 127.0.0.1:{proxy}; location / {{
  proxy_pass http://whole; proxy_http_version 1.1; proxy_set_header connection ""; }} }}
"""
)


class Paced(asyncio.Protocol):
    """Answers with a stream of so many events, one every so often."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._left = 0

    def data_received(self, data: bytes) -> None:
        from scenes import _STREAM_HEAD

        self._transport.write(_STREAM_HEAD)
        self._left = PACED_EVENTS
        self._tell()

    def _tell(self) -> None:
        from scenes import _EVENT

        if self._left == 0:
            self._transport.write(b"0\r\n\r\n")
            return
        self._left -= 1
        self._transport.write(_EVENT)
        asyncio.get_running_loop().call_later(PACE_S, self._tell)


async def serve_paced(port: int) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Paced, "127.0.0.1", port, backlog=4096)
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
def servers() -> Iterator[tuple[dict[str, str], Path]]:
    """Start all servers; yield where each way leads, and whom to trust."""
    names = ("http", "https", "proxy", "paced")
    ports = {name: upstream.free_port() for name in names}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trusted, cert, key = certificates(folder)
        answer = json.dumps(upstream.ANSWER)
        nginx = upstream.start_nginx(folder, _SERVERS.format(**ports, cert=cert, key=key, answer=answer))
        mock = subprocess.Popen(
            [sys.executable, HERE.parent / "gateway" / "upstream.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert mock.stdout is not None
        _, streams = mock.stdout.readline().split()
        paced = subprocess.Popen([sys.executable, __file__, "--serve-paced", str(ports["paced"])])
        try:
            http = f"http://127.0.0.1:{ports['http']}/"
            tls = f"https://localhost:{ports['https']}/"
            yield (
                {
                    "http": http,
                    "https": tls,
                    "http2": tls,
                    "proxy": http,
                    "via": f"http://127.0.0.1:{ports['proxy']}",
                    "stream": f"http://127.0.0.1:{streams}/",
                    "paced": f"http://127.0.0.1:{ports['paced']}/",
                    "none": "",
                },
                trusted,
            )
        finally:
            for process in (nginx, mock, paced):
                process.terminate()
                process.wait(10)


def measure(scene: str, client: str, ways: dict[str, str], cert: Path) -> Figures:
    """Play one scene in a process of its own."""
    job = json.dumps({"scene": scene, "client": client, "ways": ways, "cert": str(cert)})
    command = ["taskset", "-c", str(CLIENT_CPU), sys.executable, __file__, "--play", job]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    figures: Figures = json.loads(done.stdout)
    return figures


def play_one(job: str) -> None:
    """Play one scene here, and print what came out."""
    asked = json.loads(job)
    _, way = SCENES[asked["scene"]]
    settings = Settings(
        certificate=Path(asked["cert"]) if way in ("https", "http2") else None,
        http2=way == "http2",
        proxy=asked["ways"]["via"] if way == "proxy" else None,
    )
    print(json.dumps(uvloop.run(play(asked["scene"], asked["client"], asked["ways"][way], settings))))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="benchmarks/upstream", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="a part of the names of scenes")
    parser.add_argument("--play", help=argparse.SUPPRESS)
    parser.add_argument("--serve-paced", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.play:
        play_one(args.play)
        return
    if args.serve_paced:
        uvloop.run(serve_paced(args.serve_paced))
        return
    os.sched_setaffinity(0, {SERVERS_CPU})
    print("| scene | figure | " + " | ".join(CLIENTS) + " |")
    print("| --- | --- |" + " ---: |" * len(CLIENTS))
    with servers() as (ways, cert):
        for scene in SCENES:
            if args.only in scene:
                rounds = [{c: measure(scene, c, ways, cert) for c in CLIENTS} for _ in range(args.rounds)]
                report(scene, rounds)


def report(scene: str, rounds: list[dict[str, Figures]]) -> None:
    """Print the medians of one scene, a row a figure."""
    figures = {figure: None for one in rounds[0].values() for figure in one}
    for figure in figures:
        row = []
        for client in CLIENTS:
            values = [one[client][figure] for one in rounds if figure in one[client]]
            row.append(_written(statistics.median(values)) if values else "cannot")
        print(f"| {scene} | {figure} | {' | '.join(row)} |", flush=True)


def _written(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.1f}"


if __name__ == "__main__":
    main()
