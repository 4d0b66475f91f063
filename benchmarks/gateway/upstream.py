"""The mock upstream: nginx for whole answers (it costs next to nothing), a raw protocol for streams.

`python upstream.py` starts both, prints their two ports, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import uvloop

EVENTS = 1_000
"""Events of one stream."""

ANSWER = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "gpt-4",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "A toll road is a road that one pays to use. " * 4},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 44, "total_tokens": 56},
}

NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  {servers}
}}
"""

ANSWERING = """server {{
  listen 127.0.0.1:{port} backlog=4096;
  location / {{ default_type application/json; return 200 '{answer}'; }}
}}"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_nginx(folder: Path, servers: str) -> subprocess.Popen[bytes]:
    """Start an nginx of our own with these `server` blocks."""
    nginx = shutil.which("nginx")
    if nginx is None:
        raise SystemExit("the benchmark needs nginx and wrk: apt-get install nginx-light wrk")
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, servers=servers))
    return subprocess.Popen([nginx, "-c", config, "-p", folder])


def _stream() -> bytes:
    base = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1700000000,
        "model": "gpt-4",
    }

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**base, "choices": [choice]}).encode() + b"\n\n"

    usage = {**base, "choices": [], "usage": ANSWER["usage"]}
    last = b"data: " + json.dumps(usage).encode() + b"\n\ndata: [DONE]\n\n"
    return event({"content": " road"}) * (EVENTS - 2) + event({}, "stop") + last


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Streaming(asyncio.Protocol):
    """Answers any request with the stream, a chunk an event, as fast as it is taken.

    The model `silent` says its first words and then nothing.
    """

    chunks: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if b'"silent"' in data:
            self._transport.write(_STREAM_HEAD + self.chunks[0])
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        transport = self._transport
        transport.write(_STREAM_HEAD)
        for chunk in self.chunks:
            await self._writable.wait()
            if transport.is_closing():
                return
            transport.write(chunk)
            await asyncio.sleep(0)
        transport.write(b"0\r\n\r\n")


async def serve_streams(port: int) -> None:
    """Serve until standard input ends. Events go out in small groups, as a busy model's do."""
    events = [part + b"\n\n" for part in _stream().split(b"\n\n") if part]
    groups = [b"".join(events[at : at + 4]) for at in range(0, len(events), 4)]
    Streaming.chunks = tuple(b"%x\r\n%b\r\n" % (len(group), group) for group in groups)
    loop = asyncio.get_running_loop()
    await loop.create_server(Streaming, "127.0.0.1", port, backlog=4096)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Start both, and end both."""
    whole, streams = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        server = ANSWERING.format(port=whole, answer=json.dumps(ANSWER))
        nginx = start_nginx(Path(folder), server)
        try:
            print(whole, streams, flush=True)
            uvloop.run(serve_streams(streams))
        finally:
            nginx.terminate()
            nginx.wait(10)


if __name__ == "__main__":
    main()
