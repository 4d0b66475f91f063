"""What the tests of the pages look at: a store with a day of a shop in it, and a real browser."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser

from support.browser import Visit, chromium
from support.processes import WAIT_S, Process
from support.serving import TOLLWAY, environment
from support.shop_traces import Made, Traces, day, send

COUNT = 60


@dataclass
class Shop:
    """A running `tollway traces ui`, and the means to send it more."""

    url: str
    traces: Traces

    def send(self, *roots: Made) -> list[str]:
        """Store traces that ended just now, and return their ids once they can be found."""
        made = [self.traces.otlp(one, time.time_ns() - int(one.end_ms * 1e6)) for one in roots]
        ids = send(self.url, made)
        deadline = time.monotonic() + WAIT_S
        while not set(ids) <= set(httpx.get(f"{self.url}/ui/api/points", trust_env=False).json()["trace_id"]):
            assert time.monotonic() < deadline, f"of {ids} some are not stored"
            time.sleep(0.05)
        return ids


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A store that is shown in a browser, with some traces of the last hours."""
    folder = tmp_path_factory.mktemp("shop")
    command = [*TOLLWAY, "traces", "ui", "--store", folder / "traces", "--port", "0", "--no-grpc"]
    process = Process(command, cwd=folder, env=environment(PYTHONPATH=os.environ.get("PYTHONPATH", "")))
    url = process.wait_for(r"pages are at (http://\S+)/ui/")[1]
    traces = Traces(7)
    send(url, [traces.otlp(*one) for one in day(traces, time.time_ns(), COUNT)])
    yield Shop(url, traces)
    process.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this process."""
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, shop: Shop) -> Iterator[Callable[..., Visit]]:
    """Open tabs at the shop's pages: `visit(width=390, theme="dark")`. What they note fails the test."""
    opened: list[Visit] = []

    def start(**how: object) -> Visit:
        opened.append(Visit(browser, shop.url, **how))  # type: ignore[arg-type]  # as the test has it
        return opened[-1]

    yield start
    for one in opened:
        one.close()
