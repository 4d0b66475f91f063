"""A gateway as its users start it: a process of its own, on a free port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .processes import free_port

START_S = 60.0
STOP_S = 30.0


@contextlib.contextmanager
def running(tollway: Path, config: Path, cwd: Path) -> Iterator[str]:
    """Start the gateway, give its base URL once ready, and stop it as Ctrl-C does: it must end with 0."""
    port = free_port()
    log = cwd / "gateway.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [tollway, "gateway", "start", "--config-path", config, "--port", str(port)],
            cwd=cwd,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1"},
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(process, url, log)
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the gateway ended with {process.returncode}:\n{log.read_text()}"
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if urllib.request.urlopen(f"{url}/ready", timeout=5).status == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"the gateway was not ready in {START_S} s:\n{log.read_text()}")
