"""Debian's Redis, started by tests: alone, as a cluster of one, or watched by a Sentinel."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .processes import WAIT_S, Process, free_port


def installed() -> str:
    """Return the path of the server; where it is not there, install it or skip the test."""
    if shutil.which("redis-server") is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-qq", "-y", "redis-server"], check=True)
    return shutil.which("redis-server") or "redis-server"


class RedisServer:
    """A server that keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str, sentinel: Path | None = None) -> None:
        self.port = free_port()
        self._sentinel = sentinel
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder
        self._options = options
        self._process: Process | None = None
        self.start()

    def start(self) -> None:
        """Start, or start again: with nothing in it."""
        first = [] if self._sentinel is None else [str(self._sentinel), "--sentinel"]
        command = [installed(), *first, "--port", str(self.port), "--bind", "127.0.0.1"]
        if self._sentinel is None:
            command += ["--save", ""]
        self._process = Process([*command, "--dir", str(self._folder), *self._options], cwd=self._folder)
        self._process.wait_for("Ready to accept connections" if self._sentinel is None else r"\+monitor")

    def ask(self, *words: object) -> str:
        """Send one command over a connection of its own; return the first line of the answer."""
        command = f"*{len(words)}\r\n" + "".join(f"${len(str(word))}\r\n{word}\r\n" for word in words)
        with socket.create_connection(("127.0.0.1", self.port), WAIT_S) as connection:
            connection.sendall(command.encode())
            with connection.makefile("rb") as reader:
                line = reader.readline().decode().strip()
                return reader.readline().decode().strip() if line.startswith("$") else line

    def hang(self) -> None:
        """Have it keep its connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End what `hang` began."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.close()
            self._process = None


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, sentinel: Path | None = None) -> Iterator[RedisServer]:
    """Give a running server; with the file that a Sentinel is configured by, a Sentinel."""
    server = RedisServer(folder, *options, sentinel=sentinel)
    try:
        yield server
    finally:
        server.stop()
