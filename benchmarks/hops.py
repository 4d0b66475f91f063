"""One warmed-up chat request through the gateway, call by call: calls, files entered, hops between files.

A hop is a call of a function in another file than the call before it, so it is a page that a reader turns.
Server, gateway and upstream are in one process, on loopback. Compiled frames are not seen: run it with
`PYTHONPATH=interpreted`. It fails where there is more than a hop for two calls.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import json
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from types import FrameType
from typing import Any

import uvicorn

from tollway.gateway.app import create_app
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.server.http1 import HTTPProtocol

ANSWER = json.dumps(
    {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ho"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }
).encode()

BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]}).encode()

PATH = b"/v1/chat/completions"

MAX_HOPS_PER_CALL = 0.5

WARM_UP = 20
"""Requests before the one that is counted."""

UP_S = 20.0
"""How long the gateway may take to start."""

SETTLE_S = 0.8
"""What the threads that write a kept trace get to do so."""

TRIES = 5
"""How many requests are counted: the one with the fewest calls met no timer of the gateway's own."""

Call = tuple[str, str, str]
"""Thread, file and function."""


class Calls:
    """Every call in Tollway's own files, while it listens."""

    def __init__(self) -> None:
        self.seen: list[Call] = []
        self.listens = False

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Take note of a call; see `sys.setprofile`. A coroutine that goes on is called again."""
        if not self.listens or event != "call":
            return
        code = frame.f_code
        _, found, name = code.co_filename.rpartition("/tollway/")
        if found:
            self.seen.append((threading.current_thread().name, name, code.co_qualname))

    def of_one_request(self, connection: socket.socket, keep: bool) -> list[Call]:
        """Send a request; return what was called until it, and with `keep` its trace, was done with."""
        self.seen = []
        self.listens = True
        ask(connection)
        time.sleep(SETTLE_S if keep else 0.05)
        self.listens = False
        return self.seen


def upstream() -> int:
    """Start a model that answers every request; return its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        while reader.readline():
            length = 0
            while (line := reader.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length"):
                    length = int(line.split(b":")[1])
            reader.read(length)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            connection.sendall(head % len(ANSWER) + ANSWER)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def config(folder: str, port: int, keep: bool) -> GatewayConfig:
    """Return a gateway with one endpoint, a limit and tracing."""
    model = {
        "provider": "openai",
        "name": "m",
        "config": {"openai_api_key": "k", "openai_api_base": f"http://127.0.0.1:{port}/v1"},
    }
    limit = {"calls": 1_000_000, "renewal_period_s": 1, "burst": 1_000_000}
    tracing = {"store": {"path": folder}, "sampling_rate": 1.0 if keep else 0.0, "slow_threshold_ms": 100_000}
    endpoint = {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model, "limits": [limit]}
    return GatewayConfig(endpoints=[endpoint], tracing=tracing)  # type: ignore[list-item,arg-type]  # pydantic converts


class Server(uvicorn.Server):
    """Says when it is up."""

    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.up.set()


@contextlib.contextmanager
def serving(app: Any) -> Iterator[int]:
    """Serve an application in the thread `loop`; give its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, http=HTTPProtocol, log_config=None, lifespan="on", loop="asyncio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="loop")
    thread.start()
    if not server.up.wait(UP_S):
        raise SystemExit("the gateway did not start")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def ask(connection: socket.socket) -> None:
    """Send a request, and wait for its answer."""
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    connection.sendall(head % (PATH, len(BODY)) + BODY)
    data = b""
    while ANSWER not in data:
        data += connection.recv(65536)


def report(thread: str, own: list[tuple[str, str]], verbose: bool) -> float:
    """Print what one thread did; return its hops per call."""
    files = [file for file, _ in own]
    hops = [pair for pair in pairwise(files) if pair[0] != pair[1]]
    print(
        f"thread {thread}: {len(own)} calls of {len(set(own))} functions in {len(set(files))} files, "
        f"{len(hops)} hops between files, {len(hops) / len(own):.2f} hops a call"
    )
    between = collections.Counter(tuple(sorted(pair)) for pair in hops)
    for (one, other), count in between.most_common(8):
        print(f"   {count:3d}  {one}  <->  {other}")
    if verbose:
        last = None
        for file, function in own:
            if file != last:
                print("  ", file)
            print("        ", function)
            last = file
    return len(hops) / len(own)


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keep", action="store_true", help="count what a kept trace costs, too")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every call")
    arguments = parser.parse_args()
    calls = Calls()
    threading.setprofile(calls.profile)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(create_app(config(folder, upstream(), arguments.keep))) as port,
        socket.create_connection(("127.0.0.1", port)) as connection,
    ):
        for _ in range(WARM_UP):
            ask(connection)
        time.sleep(SETTLE_S)  # what runs beside requests comes to rest
        seen = min((calls.of_one_request(connection, arguments.keep) for _ in range(TRIES)), key=len)
    if not seen:
        sys.exit("no call was seen: run it with PYTHONPATH=interpreted")
    threads: dict[str, list[tuple[str, str]]] = {"loop": []}
    for thread, file, function in seen:
        threads.setdefault(thread, []).append((file, function))
    ratios = {thread: report(thread, own, arguments.verbose) for thread, own in threads.items()}
    if ratios["loop"] > MAX_HOPS_PER_CALL:
        sys.exit(f"more than {MAX_HOPS_PER_CALL} hops a call: see docs/decisions/0111")


if __name__ == "__main__":
    main()
