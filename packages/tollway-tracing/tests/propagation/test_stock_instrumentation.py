"""Services under OpenTelemetry's own instrumentation, unmodified, and under ours are in one trace."""

from __future__ import annotations

import httpx
import pytest
import requests
from opentelemetry import baggage, propagate
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import SpanKind

from tollway.tracing.asgi import TraceMiddleware
from tollway.tracing.propagation import inject, install

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(params=[True, False], ids=["installed", "stock"])
def propagators(request):
    """OTel's propagators with and without ours in their place."""
    before = propagate.get_global_textmap()
    if request.param:
        install()
    yield
    propagate.set_global_textmap(before)


@pytest.fixture
def instrumented(provider, propagators):
    clients = (HTTPXClientInstrumentor(), RequestsInstrumentor())
    for client in clients:
        client.instrument(tracer_provider=provider)
    yield
    for client in clients:
        client.uninstrument()


def calling(url: str | None):
    """An application that calls on with httpx, and tells what baggage reached it."""

    async def app(_scope, _receive, send):
        body = str(baggage.get_baggage("user")).encode()
        if url is not None:
            async with httpx.AsyncClient(trust_env=False) as client:
                body += b" " + (await client.get(url)).content
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


@pytest.mark.usefixtures("instrumented")
def test_stock_and_our_services_make_one_trace(provider, ended, serve):
    """requests calls a stock service, that calls ours, that calls a stock one: each a child of its caller."""
    last = serve(OpenTelemetryMiddleware(calling(None), tracer_provider=provider))
    ours = serve(TraceMiddleware(calling(f"http://127.0.0.1:{last}/last"), tracer_provider=provider))
    first = serve(OpenTelemetryMiddleware(calling(f"http://127.0.0.1:{ours}/ours"), tracer_provider=provider))

    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"http://127.0.0.1:{first}/first", headers={"baggage": "user=u%201"})

    assert "u 1 u 1 u 1" == answer.text
    chain = ended.wait_for(6, SpanKind.SERVER, SpanKind.CLIENT)
    assert 1 == len({span.context.trace_id for span in chain})
    by_parent = {span.parent.span_id if span.parent else None: span for span in chain}
    ordered = [by_parent[None]]
    while ordered[-1].context.span_id in by_parent:
        ordered.append(by_parent[ordered[-1].context.span_id])
    assert [SpanKind.CLIENT, SpanKind.SERVER] * 3 == [span.kind for span in ordered]
    assert 6 == len(chain)
    assert ["opentelemetry.instrumentation.requests", "tollway.tracing.asgi"] == [
        ordered[0].instrumentation_scope.name,
        ordered[3].instrumentation_scope.name,
    ]


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(
    "ask",
    [
        lambda url, headers: requests.get(url, headers=headers, proxies={"http": ""}, timeout=5).text,
        lambda url, headers: httpx.get(url, headers=headers, trust_env=False).text,
    ],
    ids=["requests", "httpx"],
)
def test_what_inject_wrote_is_not_sent_twice(provider, ended, serve, ask):
    """The client's instrumentation replaces it by its own span, and the receiver sees one parent."""
    port = serve(TraceMiddleware(calling(None), tracer_provider=provider))
    headers: dict[str, str] = {}
    with provider.get_tracer("script").start_as_current_span("script"):
        inject(headers)
        ask(f"http://127.0.0.1:{port}/", headers)

    spans = {
        span.kind: span for span in ended.wait_for(3, SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.SERVER)
    }
    assert spans[SpanKind.CLIENT].context.span_id == spans[SpanKind.SERVER].parent.span_id
    assert spans[SpanKind.INTERNAL].context.span_id == spans[SpanKind.CLIENT].parent.span_id


def test_once_installed_the_stock_middleware_is_strict_too(provider, ended, serve):
    """Its getter tells of both headers; the propagator decides."""
    before = propagate.get_global_textmap()
    install()
    try:
        assert isinstance(propagate.get_global_textmap(), CompositePropagator)
        port = serve(OpenTelemetryMiddleware(calling(None), tracer_provider=provider))
        twice = [("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]
        assert 200 == httpx.get(f"http://127.0.0.1:{port}", headers=twice, trust_env=False).status_code
        ended.wait_for(1, SpanKind.SERVER)
        assert 200 == httpx.get(f"http://127.0.0.1:{port}", headers=twice[:1], trust_env=False).status_code
    finally:
        propagate.set_global_textmap(before)

    twice_sent, once_sent = ended.wait_for(2, SpanKind.SERVER)
    assert twice_sent.parent is None
    assert TRACE == f"{once_sent.context.trace_id:032x}"
