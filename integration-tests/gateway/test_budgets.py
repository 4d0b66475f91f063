"""What may be spent is one amount for all workers, and is still spent after the gateway was killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from support.processes import WAIT_S
from support.serving import Gateway, endpoint
from support.upstream import Upstream

REQUEST = {"messages": [{"role": "user", "content": "?"}]}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways, all in one working directory, with workers."""
    with ExitStack() as stack:

        def start(service: Upstream, *, workers: int = 3) -> Gateway:
            one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
            one |= {"price": {"request": "0.1"}, "budget": {"amount": 3, "period": "week"}}
            gateway = Gateway({"endpoints": [one]}, tmp_path, options=("--workers", str(workers)))
            stack.callback(gateway.close)
            return gateway

        yield start


def ask(gateway: Gateway) -> int:
    """Ask over a connection of its own, which leads to any worker."""
    url = f"{gateway.url}/endpoints/a/invocations"
    return httpx.post(url, json=REQUEST, timeout=WAIT_S, trust_env=False).status_code


def test_workers_spend_one_amount_and_a_kill_forgets_nothing(start, upstream):
    """Thirty calls of a tenth pass of three dollars, however many ask at once; then none, also anew."""
    service = upstream()
    first = start(service)
    first.wait_until_ready()
    with ThreadPoolExecutor(12) as threads:
        asked = Counter(threads.map(lambda _: ask(first), range(60)))
    assert {200: 30, 429: 30} == asked

    os.kill(first.process.pid, signal.SIGKILL)
    first.process.close()
    again = start(service, workers=1)
    again.wait_until_ready()

    assert {429} == {ask(again) for _ in range(3)}
    assert 3 == again.metric("gateway_budget_spent_usd", budget="a", period="week")


def test_a_second_gateway_in_the_same_directory_says_why_it_does_not_start(start, upstream):
    service = upstream()
    first = start(service, workers=1)
    first.wait_until_ready()

    second = start(service, workers=1)

    second.process.wait_for("another gateway keeps its budgets in .tollway")
    assert 200 == ask(first)
