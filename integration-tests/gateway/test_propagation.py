"""What the gateway tells its upstreams of the trace."""

from __future__ import annotations

from support.client import CallingProgram
from support.serving import endpoint
from support.stored import CLIENT


def test_the_upstream_is_told_the_client_span(start_gateway, upstream, program: CallingProgram):
    """An upstream that continues the trace hangs its spans under the attempt that called it."""
    service = upstream()
    gateway = start_gateway(
        {"endpoints": [endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")]}
    )
    with program.span() as calling:
        answer = gateway.client.post(
            "/endpoints/a/invocations",
            json={"messages": [{"role": "user", "content": "?"}]},
            headers=calling.headers,
        )
    assert 200 == answer.status_code
    version, trace_id, parent_id, flags = service.next_request().headers["traceparent"].split("-")
    assert ("00", calling.trace_id) == (version, trace_id)
    assert gateway.trace(calling.trace_id).of_kind(CLIENT)["spanId"] == parent_id
    assert int(flags, 16) & 1
