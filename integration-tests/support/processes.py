"""Processes that tests start: what they print is kept, and a test waits for a line, never for a time."""

from __future__ import annotations

import random
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

WAIT_S = 60.0
"""How long a test waits for what must happen; reaching it is a failure."""


class Process:
    """A running program. Its standard output and error are read as they come, into one text."""

    def __init__(
        self,
        command: Sequence[str | PathLike[str]],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._popen = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._command = " ".join(map(str, command))
        self._output = ""
        self._ended = False
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def output(self) -> str:
        """Everything printed so far."""
        with self._news:
            return self._output

    def wait_for(self, pattern: str, timeout_s: float = WAIT_S) -> re.Match[str]:
        """Return the first match in what is printed; fail when the program ends without it."""
        with self._news:
            self._news.wait_for(lambda: self._ended or re.search(pattern, self._output), timeout_s)
            found = re.search(pattern, self._output)
            assert found, f"{self._command} never printed {pattern!r}, but:\n{self._output}"
            return found

    def running(self) -> bool:
        """Say whether it has not ended yet."""
        return self._popen.poll() is None

    def type(self, text: str) -> None:
        """Write to its standard input."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(text)
        self._popen.stdin.flush()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone."""
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Return the exit code once it has ended and all its output is read."""
        code = self._popen.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, if it has not, and return its exit code."""
        if self.running():
            self.send_signal(number)
        return self.wait()

    def close(self) -> None:
        """End it whatever happens, and free its pipes."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self.wait()
        finally:
            assert self._popen.stdin is not None
            self._popen.stdin.close()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                with self._news:
                    self._output += line
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def free_port() -> int:
    """Return a port that was free a moment ago, for programs that cannot choose one themselves.

    It lies below those that the system gives to outgoing connections: any of them could take it meanwhile.
    """
    for port in random.sample(range(10_000, _first_outgoing_port()), 100):
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise AssertionError("a hundred ports were tried, and none is free")


def _first_outgoing_port() -> int:
    """Return where the ports of outgoing connections begin: as Linux says, or by its default."""
    try:
        return max(11_000, int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]))
    except OSError:
        return 32_768
