"""The W3C's rules of trace context, on a gateway between a caller and an upstream.

The same rules hold in `TraceMiddleware`: packages/tollway-tracing/tests/propagation/test_w3c_rules.py.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from support.serving import endpoint
from support.upstream import Exchange, Upstream
from support.w3c_rules import FLAGS, PARENT, READ, RESTARTS, STATES, TRACE, VALID, Sent, sent_in

Call = Callable[..., Sent]

BODY = b'{"messages":[{"role":"user","content":"?"}]}'

OWN = ("ot=", "tollway=")
"""Members of the gateway's own, which it puts in front of the caller's."""


@pytest.fixture(scope="module")
def call(start_gateway) -> Call:
    """Ask the gateway with these headers; return what it called its upstream with."""
    service = Upstream(Exchange.answer)
    config = {"openai_api_key": "k", "openai_api_base": f"{service.url}/v1"}
    gateway = start_gateway({"endpoints": [endpoint("a", "openai", "m", **config)]})
    port = urlsplit(gateway.url).port

    def ask(*headers: tuple[str, str]) -> Sent:
        _request(port, headers)
        sent = sent_in(service.next_request().fields)
        members = (sent.tracestate or "").split(",")
        theirs = ",".join(member for member in members if not member.startswith(OWN))
        return sent._replace(tracestate=theirs or None)

    yield ask
    service.close()


def _request(port: int, headers: tuple[tuple[str, str], ...]) -> None:
    """Send the headers as they are; clients would trim, join or refuse some of them."""
    fields = [
        ("Host", f"127.0.0.1:{port}"),
        ("Connection", "close"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(BODY))),
        *headers,
    ]
    lines = ["POST /endpoints/a/invocations HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + BODY)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")


def test_without_headers_a_trace_begins(call):
    sent = call()

    assert ("00", "03", None) == (sent.version, sent.flags, sent.tracestate)


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "TrAcEpArEnT", "TRACEPARENT"])
def test_a_traceparent_is_continued_whatever_the_case_of_its_name(call, name):
    assert (TRACE, None) == call((name, VALID))[1::3]


@pytest.mark.parametrize("name", ["trace-parent", "trace.parent"])
def test_another_name_is_no_traceparent(call, name):
    assert TRACE != call((name, VALID)).trace_id


def test_two_traceparents_restart_the_trace(call):
    other = VALID.replace(TRACE, TRACE[:-1] + "1")
    sent = call(("traceparent", VALID), ("traceparent", other), ("tracestate", "a=1"))

    assert sent.trace_id not in {TRACE, TRACE[:-1] + "1"}
    assert sent.tracestate is None


@pytest.mark.parametrize("value", READ)
def test_later_versions_and_surrounding_whitespace_are_read(call, value):
    assert ("00", TRACE) == call(("traceparent", value))[:2]


@pytest.mark.parametrize("value", RESTARTS)
def test_a_malformed_traceparent_restarts_the_trace(call, value):
    sent = call(("traceparent", value), ("tracestate", "foo=1"))

    assert sent.trace_id not in {TRACE, TRACE[:-1] + "3", TRACE.upper()}
    assert sent.tracestate is None


@pytest.mark.parametrize(("received", "sent_on"), FLAGS)
def test_the_random_flag_is_carried_and_unknown_ones_are_zeroed(call, received, sent_on):
    assert sent_on == call(("traceparent", f"00-{TRACE}-{PARENT}-{received}")).flags


def test_tracestate_without_traceparent_is_discarded(call):
    assert call(("tracestate", "foo=1,bar=2")).tracestate is None


@pytest.mark.parametrize(("headers", "sent_on"), STATES)
def test_a_valid_tracestate_is_sent_on_whole_and_an_invalid_one_not_at_all(call, headers, sent_on):
    sent = call(("traceparent", f"00-{TRACE}-{PARENT}-00"), *headers)

    assert (TRACE, sent_on) == (sent.trace_id, sent.tracestate)


@pytest.mark.parametrize(("headers", "traces"), [([("traceparent", VALID)], 1), ([], 3)])
def test_requests_have_the_callers_trace_or_one_of_their_own(call, headers, traces):
    sent = [call(*headers) for _ in range(3)]

    assert traces == len({each.trace_id for each in sent})
    assert 3 == len({each.parent_id for each in sent})
