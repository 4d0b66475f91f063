"""The W3C's rules of trace context, on all ways that a request's headers go through a service.

The service is the propagator as a function; an ASGI application behind `TraceMiddleware` on a real server,
which calls on with `inject` through a real client; and one that reads and writes headers by the functions of
a busy server, as the gateway does.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from support.w3c_rules import FLAGS, PARENT, READ, RESTARTS, STATES, TRACE, VALID, Headers, Sent, sent_in
from tollway.tracing.asgi import ASGIApp, TraceMiddleware
from tollway.tracing.propagation import (
    extract,
    extract_trace_context,
    inject,
    raw_context,
    span_context_lines,
)

Service = Callable[[Headers, int], list[Headers]]
"""Is called with headers; returns those that it called on with, so many times."""

Serve = Callable[[ASGIApp], int]


def call(service: Service, *headers: tuple[str, str]) -> Sent:
    """Call a service that calls on once."""
    (outgoing,) = service(list(headers), 1)
    return sent_in(outgoing)


def _function(provider: TracerProvider, _serve: Serve) -> Service:
    def service(headers: Headers, count: int) -> list[Headers]:
        tracer = provider.get_tracer("service")
        parent = set_span_in_context(tracer.start_span("request", extract(headers)))
        called: list[Headers] = [[] for _ in range(count)]
        for outgoing in called:
            inject(outgoing, set_span_in_context(tracer.start_span("call", parent)))
        return called

    return service


async def _answer(send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def _application(provider: TracerProvider, serve: Serve) -> Service:
    """Serve an application behind the middleware that calls on, and one that sees what it is called with."""
    seen: list[Headers] = []
    tracer = provider.get_tracer("service")

    async def sink(scope, _receive, send) -> None:
        seen.append([(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]])
        await _answer(send)

    async def calls_on(scope, _receive, send) -> None:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            for _ in range(int(scope["query_string"])):
                headers: dict[str, str] = {}
                with tracer.start_as_current_span("call"):
                    inject(headers)
                    await client.get(f"http://127.0.0.1:{sink_port}", headers=headers)
        await _answer(send)

    sink_port = serve(sink)
    port = serve(TraceMiddleware(calls_on, tracer_provider=provider))

    def service(headers: Headers, count: int) -> list[Headers]:
        _request(port, headers, count)
        called = list(seen)
        seen.clear()
        return called

    return service


def _busy_server(provider: TracerProvider, serve: Serve) -> Service:
    """Serve an application that goes from and to bytes; what it calls on with is told by it."""
    seen: list[Headers] = []
    tracer = provider.get_tracer("service")

    async def calls_on(scope, _receive, send) -> None:
        parent = set_span_in_context(
            tracer.start_span("request", extract_trace_context(scope["headers"])),
        )
        for _ in range(int(scope["query_string"])):
            lines = span_context_lines(raw_context(tracer.start_span("call", parent)))
            fields = [line.split(": ", 1) for line in lines.decode("latin-1").split("\r\n") if line]
            seen.append([(name, value) for name, value in fields])
        await _answer(send)

    port = serve(calls_on)

    def service(headers: Headers, count: int) -> list[Headers]:
        _request(port, headers, count)
        called = list(seen)
        seen.clear()
        return called

    return service


def _request(port: int, headers: Headers, count: int) -> None:
    """Send the headers as they are; clients would trim, join or refuse some of them."""
    fields = (f"{name}: {value}" for name, value in headers)
    lines = [f"GET /?{count} HTTP/1.1", "Host: x", "Connection: close", *fields]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 204")


@pytest.fixture(
    scope="module",
    params=[_function, _application, _busy_server],
    ids=["function", "application", "busy server"],
)
def service(request, provider, serve) -> Service:
    return request.param(provider, serve)


def test_without_headers_a_trace_begins(service):
    sent = call(service)

    assert ("00", "03") == (sent.version, sent.flags)  # sampled, and random as the providers' ids are
    assert sent.tracestate is None


def test_a_valid_traceparent_is_continued(service):
    assert (TRACE, None) == call(service, ("traceparent", VALID))[1::3]


@pytest.mark.parametrize("name", ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"])
def test_the_name_of_traceparent_may_be_in_any_case(service, name):
    assert TRACE == call(service, (name, VALID)).trace_id


@pytest.mark.parametrize("name", ["trace-parent", "trace.parent"])
def test_another_name_is_no_traceparent(service, name):
    assert TRACE != call(service, (name, VALID)).trace_id


def test_two_traceparents_restart_the_trace(service):
    other = "12345678901234567890123456789011"
    sent = call(
        service, ("traceparent", VALID), ("traceparent", f"00-{other}-{PARENT}-01"), ("tracestate", "a=1")
    )

    assert sent.trace_id not in {TRACE, other}
    assert sent.tracestate is None


@pytest.mark.parametrize("value", READ)
def test_later_versions_and_surrounding_whitespace_are_read(service, value):
    """What is sent on is of the version that we know."""
    assert ("00", TRACE) == call(service, ("traceparent", value))[:2]


@pytest.mark.parametrize("value", RESTARTS)
def test_a_malformed_traceparent_restarts_the_trace(service, value):
    """And its `tracestate` is not read."""
    sent = call(service, ("traceparent", value), ("tracestate", "foo=1"))

    assert sent.trace_id not in {TRACE, TRACE[:-1] + "3", TRACE.upper()}
    assert sent.tracestate is None


@pytest.mark.parametrize(("received", "sent_on"), FLAGS)
def test_the_random_flag_is_carried_and_unknown_ones_are_zeroed(service, received, sent_on):
    """https://www.w3.org/TR/trace-context-2/#trace-flags. The sampler here does as the caller did."""
    assert sent_on == call(service, ("traceparent", f"00-{TRACE}-{PARENT}-{received}")).flags


def test_tracestate_without_traceparent_is_discarded(service):
    assert call(service, ("tracestate", "foo=1")).tracestate is None
    assert call(service, ("tracestate", "foo=1,bar=2")).tracestate is None


@pytest.mark.parametrize(("headers", "sent_on"), STATES)
def test_a_valid_tracestate_is_sent_on_whole_and_an_invalid_one_not_at_all(service, headers, sent_on):
    """Neither touches the trace: https://www.w3.org/TR/trace-context-2/#tracestate-header."""
    sent = call(service, ("traceparent", f"00-{TRACE}-{PARENT}-00"), *headers)

    assert TRACE == sent.trace_id
    assert sent_on == sent.tracestate


@pytest.mark.parametrize(
    ("headers", "traces"),
    [([("traceparent", VALID)], 1), ([], 3), ([("traceparent", f"00-{'0' * 32}-{PARENT}-01")], 3)],
    ids=["a trace", "none", "an invalid one"],
)
def test_requests_have_the_callers_trace_or_one_of_their_own(service, headers, traces):
    """Three requests: of one trace where the caller has one, else of one each; every span has its own id."""
    sent = [call(service, *headers) for _ in range(3)]

    assert (traces, TRACE in {each.trace_id for each in sent}) == (
        len({each.trace_id for each in sent}),
        traces == 1,
    )
    assert 3 == len({each.parent_id for each in sent})


@pytest.mark.parametrize("headers", [[("traceparent", VALID)], []])
def test_all_that_one_request_calls_on_with_is_of_one_trace(service, headers):
    """Each call is a span of its own."""
    sent = [sent_in(outgoing) for outgoing in service(headers, 3)]

    assert 1 == len({each.trace_id for each in sent})
    assert 3 == len({each.parent_id for each in sent})
