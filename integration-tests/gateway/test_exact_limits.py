"""A quota is a quota: clients that never rest get what the limit says, and nobody gets more."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.redis_server import redis_server
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream

RATE, BURST = 60, 40
"""A second, and calls at once: a client may be kept from asking for half a second, and nothing is lost."""

SECONDS = 3.0
CLIENTS = 6
MARGIN = 0.01

ROUTE = {
    "name": "r",
    "task_type": "llm/v1/chat",
    "destinations": [{"name": "a", "traffic_percentage": 100}],
}
WAYS = [
    ("/endpoints/a/invocations", {}),
    ("/gateway/a/invocations", {}),
    ("/v1/chat/completions", {"model": "a"}),
    ("/v1/chat/completions", {"model": "r"}),
    ("/endpoints/r/invocations", {}),
]


@dataclass
class Asked:
    """When calls were sent and answered, and how."""

    allowed: int = 0
    statuses: set[int] = field(default_factory=set)
    first_sent_s: float = 1e18
    first_answered_s: float = 1e18
    last_answered_s: float = 0.0
    last_denied_sent_s: float = 0.0

    def note(self, sent_s: float, answered_s: float, status: int) -> None:
        self.statuses.add(status)
        self.allowed += status == 200
        self.first_sent_s = min(self.first_sent_s, sent_s)
        self.first_answered_s = min(self.first_answered_s, answered_s)
        self.last_answered_s = max(self.last_answered_s, answered_s)
        if status == 429:
            self.last_denied_sent_s = max(self.last_denied_sent_s, sent_s)


def ask_flat_out(gateways: list[Gateway], asked: Asked) -> None:
    """Ask over every path in turn, by several clients that never rest, for some seconds."""
    lock, until_s = threading.Lock(), time.monotonic() + SECONDS

    def client(number: int) -> None:
        gateway = gateways[number % len(gateways)]
        for path, more in itertools.cycle(WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]):
            connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=20)
            body = json.dumps({"messages": [{"role": "user", "content": "?"}], **more})
            for _ in range(50):  # then another connection, which leads to any worker
                sent_s = time.monotonic()
                connection.request("POST", path, body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                with lock:
                    asked.note(sent_s, time.monotonic(), answer.status)
                if sent_s > until_s:
                    connection.close()
                    return
            connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., list[Gateway]]]:
    """Starts gateways that have one limit, in one of the states that its bucket can be in."""
    with ExitStack() as stack:
        service = Upstream(Exchange.answer)
        stack.callback(service.close)

        def start(state: str) -> list[Gateway]:
            config: dict[str, Any] = {
                "endpoints": [
                    endpoint(
                        "a",
                        "openai",
                        "m",
                        openai_api_key="k",
                        openai_api_base=f"{service.url}/v1",
                        limit={"calls": RATE, "renewal_period": "second", "burst": BURST},
                    )
                ],
                "routes": [ROUTE],
                "tracing": {"store": None},
            }
            if state == "redis":
                (tmp_path / "redis").mkdir()
                server = stack.enter_context(redis_server(tmp_path / "redis"))
                config["limits"] = {"storage": server.url}
            gateways = []
            for number in range(2 if state == "redis" else 1):
                folder = tmp_path / str(number)
                folder.mkdir()
                options = ["--workers", "2"] if state == "shared" else []
                gateways.append(Gateway(config, folder, options=options))
                stack.callback(gateways[-1].close)
                gateways[-1].wait_until_ready()
            return gateways

        yield start


@pytest.mark.parametrize("state", ["in process", "shared", "redis"])
def test_what_is_admitted_is_the_burst_and_what_came_back(started, state: str):
    """Never more, and at least 99 % of it, over all paths, workers and gateways together."""
    gateways = started(state)
    asked = Asked()
    ask_flat_out(gateways, asked)
    assert {200, 429} == asked.statuses
    most = BURST + RATE * (asked.last_answered_s - asked.first_sent_s)
    least = BURST + RATE * (asked.last_denied_sent_s - asked.first_answered_s)
    assert (1 - MARGIN) * least - 1 <= asked.allowed <= most
    if state == "redis":
        assert [1, 1] == [gateway.metric("gateway_limits_storage_up") for gateway in gateways]
