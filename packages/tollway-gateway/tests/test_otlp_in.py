"""Spans by OTLP over HTTP: media types, codings, limits, and what a sender is told."""

import asyncio
import gzip
import json

import pytest

from tollway.gateway.otlp_in import MAX_BODY_BYTES, asgi_app, respond
from tollway.tracing import RatioSlowSampler
from tollway.tracing.receiving import TraceReceiver

SPAN = {"traceId": "A" * 32, "spanId": "b" * 16, "startTimeUnixNano": 5, "endTimeUnixNano": "7", "name": "s"}
BODY = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}).encode()
JSON = (b"content-type", b"application/json; charset=utf-8")
GZIP = (b"content-encoding", b"gzip")


@pytest.fixture
def kept():
    return []


@pytest.fixture
def receiver(kept):
    return TraceReceiver(kept.append, RatioSlowSampler())


@pytest.mark.parametrize(("headers", "body"), [([JSON], BODY), ([JSON, GZIP], gzip.compress(BODY))])
def test_spans_are_taken(receiver, kept, headers, body):
    answer = respond(receiver, headers, body)
    assert (200, b"{}") == (answer.status, answer.body)
    assert [int("a" * 32, 16)] == [record.trace_id for record in kept]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], BODY, 415),
        ([(b"content-type", b"text/plain")], BODY, 415),
        ([JSON], b"{", 400),
        ([JSON, GZIP], b"not gzip", 400),
        ([JSON, GZIP], gzip.compress(BODY)[:-9], 400),
        ([JSON, (b"content-encoding", b"br")], BODY, 415),
        ([JSON], b" " * (MAX_BODY_BYTES + 1), 413),
        ([JSON, GZIP], gzip.compress(b" " * (MAX_BODY_BYTES + 1)), 413),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(receiver, kept, headers, body, status):
    answer = respond(receiver, headers, body)
    assert status == answer.status
    assert json.loads(answer.body)["message"]
    assert [] == kept


def test_a_store_that_is_behind_asks_senders_to_come_again(kept):
    """Exporters repeat a request after 503, so that nothing is lost."""
    receiver = TraceReceiver(kept.append, RatioSlowSampler(), is_behind=lambda: True)
    answer = respond(receiver, [JSON], BODY)
    assert (503, {"retry-after": "1"}) == (answer.status, answer.headers)
    assert [] == kept


def test_an_unknown_coding_is_refused_by_the_names_of_the_known_ones(receiver):
    answer = respond(receiver, [JSON, (b"content-encoding", b"br")], BODY)
    message = "the body's content coding is br: use gzip, deflate, zstd, or none"
    assert {"code": 415, "message": message} == json.loads(answer.body)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/traces", 200), ("GET", "/v1/traces", 405), ("POST", "/v1/metrics", 404)],
)
def test_the_application_serves_one_path(receiver, method, path, status):
    sent = []
    parts = [{"body": BODY[:9], "more_body": True}, {"body": BODY[9:]}]

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [JSON]}
    asyncio.run(asgi_app(receiver)(scope, receive, send))
    assert status == sent[0]["status"]
