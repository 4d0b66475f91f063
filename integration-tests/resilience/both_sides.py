"""One request seen from both sides: what its caller got, each attempt upstream, the trace, the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from support.dialects import TEXT
from support.fault_upstream import Attempt, FaultUpstream
from support.serving import Gateway
from support.sse import SeenStream
from support.stored import CLIENT, ERROR, SERVER, StoredTrace, attributes

COUNTED = {
    "gateway_attempt_errors_total": "errors",
    "gateway_retries_total": "retries",
    "gateway_fallbacks_total": "fallbacks",
}
"""Metrics of the endpoint that was asked for, and what they are called here."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer, and what is left of its request."""

    answer: httpx.Response
    stream: bool
    attempts: list[Attempt]
    trace: StoredTrace
    counts: dict[str, int]
    """By how much each metric has grown, where that was looked at."""

    @property
    def events(self) -> SeenStream:
        """The events of a stream that began."""
        assert (200, True) == (self.answer.status_code, self.stream), self.answer.text
        return SeenStream(self.answer.text)

    @property
    def error(self) -> dict[str, Any]:
        """The error that the caller was told, in a stream or as the answer."""
        if self.answer.status_code != 200:
            return dict(self.answer.json()["error"])
        assert self.events.error is not None
        return self.events.error

    @property
    def model(self) -> str | None:
        """The model that the answer names."""
        return self.events.model if self.stream else self.answer.json()["model"]

    @property
    def asked(self) -> list[str]:
        """What the upstream was made to do, attempt by attempt."""
        return [attempt.fault for attempt in self.attempts]

    @property
    def clients(self) -> list[dict[str, Any]]:
        """The CLIENT spans, in the order in which they began."""
        spans = (span for span in self.trace.spans if span["kind"] == CLIENT)
        return sorted(spans, key=lambda span: int(span["startTimeUnixNano"]))

    @property
    def server_events(self) -> list[str]:
        """The names of the SERVER span's events."""
        return [event["name"] for event in self.trace.of_kind(SERVER).get("events", ())]

    def check_answer(self) -> None:
        """The caller has a whole good answer, and nothing else."""
        if not self.stream:
            assert 200 == self.answer.status_code, self.answer.text
            assert TEXT == self.answer.json()["choices"][0]["message"]["content"]
            return
        seen = self.events
        assert (TEXT, None) == (seen.text, seen.error)
        assert ["finish", "done"] == seen.order[-2:]

    def check_spans(self, *outcomes: str | None) -> None:
        """One CLIENT span an attempt, children of the SERVER span, each linked to the one before.

        An outcome is why an attempt was made, with a `!` behind it if it failed; None is a first one.
        """
        clients = self.clients
        server = self.trace.of_kind(SERVER)
        told = [attributes(span).get("tollway.attempt.reason", "first") for span in clients]
        failed = ["!" if span.get("status", {}).get("code") == ERROR else "" for span in clients]
        assert list(outcomes) == [reason + sign for reason, sign in zip(told, failed, strict=True)]
        assert {server["spanId"]} == {span["parentSpanId"] for span in clients}
        links = [[link["spanId"] for link in span.get("links", ())] for span in clients]
        assert [[], *([span["spanId"]] for span in clients[:-1])] == links
        sent = [attempt.headers["traceparent"].split("-")[2] for attempt in self.attempts]
        assert sent == [span["spanId"] for span in clients if span["spanId"] in sent]

    def check_failure(self) -> None:
        """Caller, CLIENT span and SERVER span tell of the same error."""
        code = self.error["code"]
        assert code == attributes(self.clients[-1])["error.type"]
        server = self.trace.of_kind(SERVER)
        if self.answer.status_code == 200 or self.answer.status_code >= 500:
            assert (ERROR, code) == (server["status"]["code"], attributes(server)["error.type"])


def see(gateway: Gateway, faults: FaultUpstream, endpoint: str, *, stream: bool) -> Seen:
    """Ask an endpoint, and look at everything but the metrics."""
    return _seen(gateway, faults, endpoint, stream, {})


def see_counted(gateway: Gateway, faults: FaultUpstream, endpoint: str, *, stream: bool) -> Seen:
    """Ask an endpoint, and look at everything, also at the metrics before and after it."""
    before = gateway.metrics()
    seen = _seen(gateway, faults, endpoint, stream, {})
    after = gateway.metrics()
    for name, word in COUNTED.items():
        grown = after.total(name, endpoint=endpoint) - before.total(name, endpoint=endpoint)
        if grown:
            seen.counts[word] = int(grown)
    return seen


def _seen(
    gateway: Gateway, faults: FaultUpstream, endpoint: str, stream: bool, counts: dict[str, int]
) -> Seen:
    answer = gateway.chat(endpoint, stream=stream)
    trace = gateway.trace(answer.headers["x-tollway-trace-id"])
    return Seen(answer, stream, _attempts(faults), trace, counts)


def check_next(gateway: Gateway, endpoint: str, *, stream: bool) -> None:
    """After a fault the next healthy request succeeds at once."""
    answer = gateway.chat(endpoint, stream=stream)
    assert 200 == answer.status_code, answer.text
    if stream:
        seen = SeenStream(answer.text)
        assert (TEXT, None, True) == (seen.text, seen.error, seen.is_done)
    else:
        assert TEXT == answer.json()["choices"][0]["message"]["content"]


def _attempts(faults: FaultUpstream) -> list[Attempt]:
    """Return the attempts in their order.

    A kept connection that is found closed is no attempt: its request goes out again as it is, with the same
    span (RFC 9112 section 9.3.1).
    """
    by_span = {attempt.headers["traceparent"]: attempt for attempt in reversed(faults.attempts)}
    return list(by_span.values())[::-1]
