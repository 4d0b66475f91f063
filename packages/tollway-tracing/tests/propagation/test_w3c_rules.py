"""The trace-context rules that the W3C's working group publishes as a test suite, at level 2, strict.

https://github.com/w3c/trace-context/tree/main/test: a service is called with headers and calls on; what it
sends is looked at. The rules are the suite's, the wording ours. Keys follow the grammar of level 2, as in the
suite since June 2026. The service is the propagator as a function, and an ASGI application behind
`TraceMiddleware` on a real server, which calls on with `inject` through a real client.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from tollway.tracing.asgi import ASGIApp, TraceMiddleware
from tollway.tracing.propagation import extract, inject

Headers = list[tuple[str, str]]
Service = Callable[[Headers], Headers]

TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"


class Sent(NamedTuple):
    """What a service called on with."""

    version: str
    trace_id: str
    parent_id: str
    flags: str
    tracestate: str | None


def call(service: Service, *headers: tuple[str, str]) -> Sent:
    """Call the service and return what it sent: exactly one valid `traceparent`, at most one `tracestate`."""
    outgoing = service(list(headers))
    traceparents = [value for name, value in outgoing if name == "traceparent"]
    tracestates = [value for name, value in outgoing if name == "tracestate"]
    assert 1 == len(traceparents)
    assert len(tracestates) <= 1
    version, trace_id, parent_id, flags = traceparents[0].split("-")
    assert (2, 32, 16, 2) == (len(version), len(trace_id), len(parent_id), len(flags))
    assert "0" * 32 != trace_id
    assert parent_id not in {"0" * 16, PARENT}
    return Sent(version, trace_id, parent_id, flags, tracestates[0] if tracestates else None)


def _function(provider: TracerProvider, _serve) -> Service:
    def service(headers: Headers) -> Headers:
        span = provider.get_tracer("service").start_span("request", extract(headers))
        outgoing: Headers = []
        inject(outgoing, set_span_in_context(span))
        span.end()
        return outgoing

    return service


def _application(provider: TracerProvider, serve: Callable[[ASGIApp], int]) -> Service:
    """Serve an application behind the middleware that calls on, and one that sees what it is called with."""
    seen: list[Headers] = []

    async def answer(send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def sink(scope, _receive, send) -> None:
        seen.append([(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]])
        await answer(send)

    async def calls_on(_scope, _receive, send) -> None:
        headers: dict[str, str] = {}
        inject(headers)
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{sink_port}", headers=headers)
        await answer(send)

    sink_port = serve(sink)
    port = serve(TraceMiddleware(calls_on, tracer_provider=provider))

    def service(headers: Headers) -> Headers:
        _request(port, headers)
        return seen.pop()

    return service


def _request(port: int, headers: Headers) -> None:
    """Send the headers as they are; clients would trim, join or refuse some of them."""
    lines = [
        "GET / HTTP/1.1",
        "Host: x",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 204")


@pytest.fixture(scope="module", params=[_function, _application], ids=["function", "application"])
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


@pytest.mark.parametrize(
    "value",
    [
        f"cc-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
        f"01-{TRACE}-{PARENT}-01-",
        f" {VALID}",
        f"\t{VALID}",
        f"{VALID} ",
        f"{VALID}\t",
        f"\t {VALID} \t",
    ],
)
def test_later_versions_and_surrounding_whitespace_are_read(service, value):
    """What is sent on is of the version that we know."""
    assert ("00", TRACE) == call(service, ("traceparent", value))[:2]


@pytest.mark.parametrize(
    "value",
    [
        # version
        f"{VALID}.",
        f"{VALID}-what-the-future-will-be-like",
        f"cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like",
        f"ff-{TRACE}-{PARENT}-01",
        f".0-{TRACE}-{PARENT}-01",
        f"0.-{TRACE}-{PARENT}-01",
        f"000-{TRACE}-{PARENT}-01",
        f"0000-{TRACE}-{PARENT}-01",
        f"0-{TRACE}-{PARENT}-01",
        # trace-id
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-.{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE[:-1]}.-{PARENT}-01",
        f"00-{TRACE}3-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-{'ABCDEF' + TRACE[6:]}-{PARENT}-01",
        # parent-id
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-.{PARENT[1:]}-01",
        f"00-{TRACE}-{PARENT[:-1]}.-01",
        f"00-{TRACE}-{PARENT}7-01",
        f"00-{TRACE}-{PARENT[:-1]}-01",
        f"00-{TRACE}-ABCDEF7890123456-01",
        # trace-flags
        f"00-{TRACE}-{PARENT}-.0",
        f"00-{TRACE}-{PARENT}-0.",
        f"00-{TRACE}-{PARENT}-001",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE}-{PARENT}-0A",
        f"00-{TRACE}-{PARENT}",
        # the whole
        "",
        f"{VALID},{VALID}",
        f"00_{TRACE}_{PARENT}_01",
    ],
)
def test_a_malformed_traceparent_restarts_the_trace(service, value):
    """And its `tracestate` is not read."""
    sent = call(service, ("traceparent", value), ("tracestate", "foo=1"))

    assert sent.trace_id not in {TRACE, TRACE[:-1] + "3", TRACE.upper()}
    assert sent.tracestate is None


@pytest.mark.parametrize(
    ("received", "sent_on"),
    [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fe", "02"), ("09", "01"), ("ff", "03")],
)
def test_the_random_flag_is_carried_and_unknown_ones_are_zeroed(service, received, sent_on):
    """https://www.w3.org/TR/trace-context-2/#trace-flags. The sampler here does as the caller did."""
    assert sent_on == call(service, ("traceparent", f"00-{TRACE}-{PARENT}-{received}")).flags


def test_tracestate_without_traceparent_is_discarded(service):
    assert call(service, ("tracestate", "foo=1")).tracestate is None
    assert call(service, ("tracestate", "foo=1,bar=2")).tracestate is None


BARS = [f"bar{n:02}={n:02}" for n in range(1, 34)]
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")


@pytest.mark.parametrize(
    ("headers", "sent_on"),
    [
        ([("tracestate", "foo=1,bar=2")], "foo=1,bar=2"),
        # the name
        ([("trace-state", "foo=1")], None),
        ([("trace.state", "foo=1")], None),
        ([("TraceState", "foo=1")], "foo=1"),
        ([("TrAcEsTaTe", "foo=1")], "foo=1"),
        ([("TRACESTATE", "foo=1")], "foo=1"),
        # empty headers and members
        ([("tracestate", "")], None),
        ([("tracestate", "foo=1"), ("tracestate", "")], "foo=1"),
        ([("tracestate", ""), ("tracestate", "foo=1")], "foo=1"),
        ([("tracestate", "foo=1, ,,bar=2,")], "foo=1,bar=2"),
        # several headers
        (
            [("tracestate", "foo=1,bar=2"), ("tracestate", "rojo=1,congo=2"), ("tracestate", "baz=3")],
            "foo=1,bar=2,rojo=1,congo=2,baz=3",
        ),
        # duplicate keys
        ([("tracestate", "foo=1,foo=1")], None),
        ([("tracestate", "foo=1,foo=2")], None),
        ([("tracestate", "foo=1"), ("tracestate", "foo=1")], None),
        ([("tracestate", "foo=1"), ("tracestate", "foo=2")], None),
        # characters
        ([("tracestate", f"{KEY}={VALUE}")], f"{KEY}={VALUE}"),
        ([("tracestate", f"{KEY}@a-z0-9_-*/={VALUE}")], f"{KEY}@a-z0-9_-*/={VALUE}"),
        ([("tracestate", "foo =1")], None),
        ([("tracestate", "FOO=1")], None),
        ([("tracestate", "foo.bar=1")], None),
        ([("tracestate", "foo=bar=baz")], None),
        ([("tracestate", "foo=,bar=3")], None),
        ([("tracestate", "foo=\xe9")], None),
        ([("tracestate", "foo")], None),
        ([("tracestate", "=1")], None),
        # whitespace: around members it goes, before a value it is the value's
        ([("tracestate", "foo=1 \t , \t bar=2, \t baz=3")], "foo=1,bar=2,baz=3"),
        ([("tracestate", "foo=1\t \t,\t \tbar=2,\t \tbaz=3")], "foo=1,bar=2,baz=3"),
        ([("tracestate", " foo=1")], "foo=1"),
        ([("tracestate", "\tfoo=1")], "foo=1"),
        ([("tracestate", "foo=1 ")], "foo=1"),
        ([("tracestate", "foo=1\t")], "foo=1"),
        ([("tracestate", "\t foo=1 \t")], "foo=1"),
        ([("tracestate", "foo= 1,bar=2")], "foo= 1,bar=2"),
        ([("tracestate", "foo=1\t2")], None),
        # keys of level 2: `@` anywhere but first, digits first too
        ([("tracestate", "foo@=1,bar=2")], "foo@=1,bar=2"),
        ([("tracestate", "foo@@bar=1,bar=2")], "foo@@bar=1,bar=2"),
        ([("tracestate", "foo@bar@baz=1,bar=2")], "foo@bar@baz=1,bar=2"),
        ([("tracestate", "@foo=1,bar=2")], None),
        ([("tracestate", "0foo=1,bar=2")], "0foo=1,bar=2"),
        ([("tracestate", "_foo=1,bar=2")], None),
        # lengths
        ([("tracestate", "foo=1"), ("tracestate", "z" * 256 + "=1")], f"foo=1,{'z' * 256}=1"),
        ([("tracestate", "foo=1"), ("tracestate", "z" * 257 + "=1")], None),
        (
            [("tracestate", "foo=1"), ("tracestate", "t" * 241 + "@" + "v" * 14 + "=1")],
            f"foo=1,{'t' * 241}@{'v' * 14}=1",
        ),
        ([("tracestate", "foo=1"), ("tracestate", "t" * 242 + "@v=1")], f"foo=1,{'t' * 242}@v=1"),
        ([("tracestate", "foo=1"), ("tracestate", "t@" + "v" * 15 + "=1")], f"foo=1,t@{'v' * 15}=1"),
        ([("tracestate", "foo=" + "v" * 256)], "foo=" + "v" * 256),
        ([("tracestate", "foo=" + "v" * 257)], None),
        # members
        (
            [("tracestate", ",".join(part)) for part in (BARS[:10], BARS[10:20], BARS[20:30], BARS[30:32])],
            ",".join(BARS[:32]),
        ),
        (
            [("tracestate", ",".join(part)) for part in (BARS[:10], BARS[10:20], BARS[20:30], BARS[30:33])],
            None,
        ),
    ],
)
def test_a_valid_tracestate_is_sent_on_whole_and_an_invalid_one_not_at_all(service, headers, sent_on):
    """Neither touches the trace: https://www.w3.org/TR/trace-context-2/#tracestate-header."""
    sent = call(service, ("traceparent", f"00-{TRACE}-{PARENT}-00"), *headers)

    assert TRACE == sent.trace_id
    assert sent_on == sent.tracestate


def test_several_requests_of_one_trace_have_spans_of_their_own(service):
    sent = [call(service, ("traceparent", VALID)) for _ in range(3)]

    assert {TRACE} == {each.trace_id for each in sent}
    assert 3 == len({each.parent_id for each in sent})


@pytest.mark.parametrize("headers", [[], [("traceparent", f"00-{'0' * 32}-{PARENT}-01")]])
def test_requests_without_a_trace_have_traces_of_their_own(service, headers):
    sent = [call(service, *headers) for _ in range(3)]

    assert 3 == len({each.trace_id for each in sent})
    assert 3 == len({each.parent_id for each in sent})
