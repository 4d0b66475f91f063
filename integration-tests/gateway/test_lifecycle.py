"""How a gateway ends: nobody is cut off, and the exit code is 0."""

from __future__ import annotations

import signal
import threading

import pytest

from support.processes import WAIT_S
from support.serving import endpoint
from support.upstream import Exchange, chunk

REQUEST = {"messages": [{"role": "user", "content": "?"}], "stream": True}


def test_a_stop_lets_a_running_stream_finish(start_gateway, upstream):
    """SIGTERM in the midst of a stream: the rest of it still arrives, then the process ends with 0."""
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.event(chunk("first"))
        go_on.wait(WAIT_S)
        exchange.event(chunk("last", "stop"))
        exchange.end_stream()

    service = upstream(script)
    gateway = start_gateway(
        {"endpoints": [endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")]}
    )
    with gateway.client.stream("POST", "/endpoints/a/invocations", json=REQUEST) as answer:
        lines = answer.iter_lines()
        assert "first" in next(lines)
        gateway.process.send_signal(signal.SIGTERM)
        go_on.set()
        rest = "\n".join(lines)
    assert "last" in rest
    assert "[DONE]" in rest
    assert 0 == gateway.process.wait()
    assert "Traceback" not in gateway.process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_gateway_ends_with_0(start_gateway, upstream, number: signal.Signals):
    """Ctrl-C and a supervisor's stop are both a good end."""
    gateway = start_gateway(
        {"endpoints": [endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=upstream().url)]}
    )
    assert 0 == gateway.stop(number)
    assert "Traceback" not in gateway.process.output
