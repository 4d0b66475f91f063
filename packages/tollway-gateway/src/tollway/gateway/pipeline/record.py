"""The last stage, which begins first: what a request leaves behind in spans and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, TraceFlags, Tracer

from tollway.gateway.limits import Decision
from tollway.gateway.telemetry import UNKNOWN, Metrics
from tollway.gateway.telemetry.content import CapturedContent, Content, NoContent
from tollway.gateway.telemetry.genai import answer_attributes, request_attributes
from tollway.gateway.telemetry.propagation import context_of, inject, raw_context
from tollway.gateway.telemetry.server import server_attributes, start_server_span
from tollway.provider import AnswerInfo, Call, ProviderError
from tollway.tracing import Deferred

from .exchange import Exchange
from .route import Endpoint
from .watch import CallerGone

_log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose caller hung up (nginx's word for it); nobody receives it."""


class Recorder:
    """Opens the record of each request. `clock_s` is monotonic and counts seconds.

    Where it is the server's own clock, a request begins with its first byte, else when we are called.
    """

    def __init__(
        self,
        metrics: Metrics,
        tracer: Tracer,
        clock_s: Callable[[], float],
        *,
        capture_content: bool = False,
        slow_s: float | None = None,
    ) -> None:
        self.metrics = metrics
        self.tracer = tracer
        self.clock_s = clock_s
        self.is_servers_clock = clock_s is time.perf_counter
        self.content: Callable[[], Content] = CapturedContent if capture_content else NoContent
        self.slow_s = slow_s

    def open(self, route: str, scope: MutableMapping[str, Any], exchange: Exchange | None) -> Record:
        """Begin a request: its time and its SERVER span."""
        return Record(self, route, scope, exchange)


class Record:
    """What is known of one request so far."""

    __slots__ = (
        "_attributes",
        "_labels",
        "_recorder",
        "_route",
        "_scope",
        "_sent_status",
        "_started_s",
        "_status",
        "span",
        "trace_id",
        "trace_lines",
        "waited_s",
    )

    def __init__(
        self, recorder: Recorder, route: str, scope: MutableMapping[str, Any], exchange: Exchange | None
    ) -> None:
        self._recorder = recorder
        self._route = route
        self._started_s = (
            exchange.received_s if exchange is not None and recorder.is_servers_clock else recorder.clock_s()
        )
        self._labels = UNKNOWN
        self._status = 500
        self.waited_s = 0.0
        self._sent_status: int | None = None
        self._scope = scope
        self._attributes = Deferred(self._all)
        self.span = start_server_span(recorder.tracer, scope, route, self._attributes)
        trace_id, _, _, _, _, is_valid = raw_context(self.span)
        self.trace_id: str | None = None
        """In hex; None without a tracer."""
        self.trace_lines = b""
        if is_valid:
            self.trace_id = hexed = f"{trace_id:032x}"
            self.trace_lines = f"x-tollway-trace-id: {hexed}\r\nx-request-id: {hexed}\r\n".encode()
            if exchange is not None:
                exchange.trace_id = hexed
        recorder.metrics.cells[recorder.metrics.in_flight] += 1

    def routed(self, endpoint: Endpoint) -> None:
        """Note whom the request is for."""
        self._labels = endpoint.labels

    def denied(self, decision: Decision) -> None:
        """Note that a limit refused it."""
        self._recorder.metrics.denied(self._labels)
        self.span.add_event("limit_denied", {"wait_s": decision.wait_ns / 1e9})

    def attempt(self, endpoint: Endpoint, call: Call) -> AttemptRecord:
        """Begin an attempt: its CLIENT span."""
        return AttemptRecord(self._recorder, self, endpoint, call)

    def timing_line(self) -> bytes:
        """Return the `Server-Timing` header: the wait for the model so far, and what we took beside it.

        https://www.w3.org/TR/server-timing/, in milliseconds.
        """
        waited_s = self.waited_s
        took_s = self._recorder.clock_s() - self._started_s - waited_s
        return b"server-timing: upstream;dur=%.3f, gateway;dur=%.3f\r\n" % (waited_s * 1e3, took_s * 1e3)

    def answered(self, status: int) -> None:
        """Note the answer's status."""
        self._status = self._sent_status = status

    def failed(self, status: int, code: str, sent_status: int) -> None:
        """Note a failure: the status it has, and the one that was sent, which differ in a stream's midst.

        A 4xx is the caller's fault, and so no error of this span (HTTP semantic conventions).
        """
        self._status = status
        self._sent_status = sent_status
        self._recorder.metrics.failed(self._labels, self._route, code)
        if status >= 500:
            self.span.set_attribute("error.type", code)
            self.span.set_status(Status(StatusCode.ERROR, code))

    def caller_gone(self) -> None:
        """Note that the caller hung up: nobody's error, and no answer."""
        self._status = CLIENT_CLOSED_REQUEST
        self._recorder.metrics.failed(self._labels, self._route, "client_disconnected")
        self.span.add_event("client_disconnected")

    def close(self) -> None:
        """End the request: its span and its metrics. Telemetry never breaks its caller."""
        recorder = self._recorder
        metrics = recorder.metrics
        metrics.cells[metrics.in_flight] -= 1
        latency_s = recorder.clock_s() - self._started_s
        exemplar = self.trace_id if self._kept(latency_s) else None
        overhead_s = max(0.0, latency_s - self.waited_s)
        metrics.answered(self._labels, self._route, self._status, latency_s, overhead_s, exemplar)
        if self._attributes.is_made:  # somebody looked before all was known
            self.span.set_attributes(self._known())
        del self._attributes  # it holds this: no cycle is left for Python's collector
        self.span.end()

    def _all(self) -> dict[str, Any]:
        attributes = server_attributes(self._scope, self._route)
        attributes.update(self._known())
        return attributes

    def _known(self) -> dict[str, Any]:
        """Return what the span says beside what was asked for."""
        known: dict[str, Any] = {}
        if self._labels is not UNKNOWN:
            known["tollway.endpoint"] = self._labels.endpoint
        if self._sent_status is not None:
            known["http.response.status_code"] = self._sent_status
        return known

    def _kept(self, latency_s: float) -> bool:
        """Say whether the trace will be found by who follows an exemplar: sampled, failed or slow."""
        _, _, _, flags, _, _ = raw_context(self.span)
        if flags & TraceFlags.SAMPLED or self._status >= 500:
            return True
        slow_s = self._recorder.slow_s
        return slow_s is not None and latency_s >= slow_s


class AttemptRecord:
    """One attempt at one model; see `Attempt`. As a context manager it ends the span, whatever happens."""

    __slots__ = (
        "_attributes",
        "_body",
        "_call",
        "_content",
        "_context",
        "_endpoint",
        "_first_event_s",
        "_info",
        "_record",
        "_recorder",
        "_started_s",
        "_upstream_headers",
        "span",
    )

    def __init__(self, recorder: Recorder, record: Record, endpoint: Endpoint, call: Call) -> None:
        self._recorder = recorder
        self._record = record
        self._endpoint = endpoint
        self._call = call
        self._started_s = recorder.clock_s()
        self._content = recorder.content()
        self._info: AnswerInfo | None = None
        self._body: bytes | None = None
        self._first_event_s: float | None = None
        self._upstream_headers: Mapping[str, str] | None = None
        self._context: Context | None = None
        self._attributes = Deferred(self._all)
        self.span = recorder.tracer.start_span(
            endpoint.span_name, context_of(record.span), SpanKind.CLIENT, self._attributes
        )

    @property
    def context(self) -> Context:
        """See `Attempt.context`."""
        if self._context is None:
            self._context = context_of(self.span)
        return self._context

    def trace_lines(self) -> bytes:
        """See `Attempt.trace_lines`."""
        return inject(raw_context(self.span))

    def waited(self, for_s: float) -> None:
        """See `Attempt.waited`."""
        self._record.waited_s += for_s

    def upstream_answered(self, headers: Mapping[str, str]) -> None:
        """See `Attempt.upstream_answered`."""
        self._upstream_headers = headers

    def answered(self, info: AnswerInfo, body: bytes | None = None) -> None:
        """Note the answer: whole with its `body`, or a stream whose `info` fills as it goes."""
        self._info = info
        self._body = body

    def first_event(self) -> None:
        """Note that the stream has begun."""
        self._first_event_s = self._recorder.clock_s() - self._started_s
        self._recorder.metrics.first_event(self._endpoint.labels, self._first_event_s)

    def saw(self, events: bytes) -> None:
        """Look at events in passing."""
        self._content.saw(events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        if isinstance(error, CallerGone):
            self.span.add_event("client_disconnected")
        elif isinstance(error, Exception):
            self._failed(error)
        try:
            if self._info is not None and self._info.usage is not None:
                self._recorder.metrics.used(self._endpoint.labels, self._info.usage)
        except Exception:  # telemetry never breaks its caller
            _log.exception("the tokens of an answer could not be counted")
        if self._attributes.is_made:  # somebody looked before all was known
            self.span.set_attributes(self._known())
        del self._attributes  # it holds this: no cycle is left for Python's collector
        self.span.end()

    def _failed(self, error: Exception) -> None:
        kind = error.code if isinstance(error, ProviderError) else type(error).__qualname__
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, str(error)[:1024]))
        self.span.record_exception(error.__cause__ or error)

    def _all(self) -> dict[str, Any]:
        call = self._call
        attributes = dict(self._endpoint.attributes)
        attributes.update(request_attributes(call))
        attributes.update(self._content.asked(call))
        attributes.update(self._known())
        return attributes

    def _known(self) -> dict[str, Any]:
        """Return what the span says of the answer, as far as it came."""
        attributes: dict[str, Any] = {}
        if (request_id := _request_id(self._upstream_headers)) is not None:
            attributes["tollway.upstream.request_id"] = request_id[:256]
        if self._first_event_s is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = self._first_event_s
        if self._info is not None:
            attributes.update(answer_attributes(self._info))
            attributes.update(self._content.answered(self._body))
        return attributes


def _request_id(headers: Mapping[str, str] | None) -> str | None:
    """Return what the upstream calls this request: OpenAI's header, or Anthropic's."""
    return None if headers is None else headers.get("x-request-id") or headers.get("request-id")
