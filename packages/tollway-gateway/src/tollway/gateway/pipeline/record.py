"""The last stage, which begins first: what a request leaves behind in its span and metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TraceFlags, Tracer

from tollway.gateway.cost import PICOUSD
from tollway.gateway.limits import Decision
from tollway.gateway.telemetry import UNKNOWN, Metrics
from tollway.gateway.telemetry.content import CapturedContent, Content, NoContent
from tollway.gateway.telemetry.propagation import SPAN_KEY, extract
from tollway.gateway.telemetry.server import METHODS, server_attributes
from tollway.provider import ProviderError, Usage
from tollway.tracing import Deferred
from tollway.tracing.compiled import accept_proxies

from .endpoint import Endpoint
from .exchange import Exchange
from .spending import Spending

# By names of their own: a look into an `Enum` costs as much as ten into a module.
_SERVER = SpanKind.SERVER
_SAMPLED = TraceFlags.SAMPLED

CLIENT_CLOSED_REQUEST = 499
"""The status of a request whose caller hung up (nginx's word for it); nobody receives it."""


class Recorder:
    """What the records of all requests share. `clock_s` is monotonic and counts seconds.

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
        self.measures = False
        """Whether calls of models are measured for OTLP."""
        self.cut_off = 0
        """Requests that were not answered when the server stopped."""


class Record:
    """What is known of one request so far; opening it begins its time and its SERVER span.

    `labels` say whom the request is for, as soon as that is known; `status` is what it came to, `sent_status`
    what was sent, which differ when a stream fails.
    """

    def __init__(
        self, recorder: Recorder, route: str, scope: MutableMapping[str, Any], exchange: Exchange | None
    ) -> None:
        self.recorder = recorder
        self._route = route
        self.started_s = (
            exchange.received_s if exchange is not None and recorder.is_servers_clock else recorder.clock_s()
        )
        self.labels = UNKNOWN
        self.route_name: str | None = None
        """The route of the configuration that it came by, if it did."""
        self.caller: str | None = None
        """The name of the caller's key."""
        self.status = 500
        self.usage: Usage | None = None
        self.spending: Spending | None = None
        """What it has reserved of its budgets; None where it meets none."""
        self.cost_picousd: int | None = None
        self.is_priced = True
        """Whether the cost is that of every answer which models gave."""
        self.last_attempt: Span | None = None
        self.waited_s = 0.0
        self.sent_status: int | None = None
        self._scope = scope
        self._is_resolved = False
        method = scope["method"]
        self.span = span = recorder.tracer.start_span(
            f"{method if method in METHODS else 'HTTP'} {route}",
            extract(scope["headers"]),
            _SERVER,
            Deferred(self._resolve_attributes),
        )
        self.context = Context({SPAN_KEY: span})
        # As `raw_context` does, which is asked again at the end.
        self._raw_context = raw_context = getattr(span, "raw_context", None) or span.get_span_context
        trace_id, _, _, _, _, is_valid = raw_context()
        self.trace_id: str | None = None
        """In hex; None without a tracer."""
        self.trace_lines = b""
        if is_valid:
            self.trace_id = hexed = trace_id.to_bytes(16, "big").hex()
            self.trace_lines = f"x-tollway-trace-id: {hexed}\r\nx-request-id: {hexed}\r\n".encode()
            if exchange is not None:
                exchange.trace_id = hexed
        metrics = recorder.metrics
        metrics.cells[metrics.in_flight] += 1

    def called_by(self, key: str, exchange: Exchange | None) -> None:
        """Note the name of the caller's key."""
        self.caller = key
        if exchange is not None:
            exchange.caller = key

    def denied(self, limit: str, decision: Decision) -> None:
        """Note that a limit refused it."""
        self.recorder.metrics.denied(self.labels)
        self.span.add_event("limit_denied", {"limit": limit, "wait_s": decision.wait_us / 1e6})

    def over_budget(self, budget: str) -> None:
        """Note that a budget refused it."""
        self.recorder.metrics.over_budget(budget)
        self.span.add_event("budget_exceeded", {"tollway.budget": budget})

    def budget_alert(self, budget: str, spent_picousd: int, amount_picousd: int) -> None:
        """Note that this call made a budget pass its alert."""
        self.recorder.metrics.budget_alert(budget)
        self.span.add_event(
            "budget_alert",
            {
                "tollway.budget": budget,
                "spent_usd": spent_picousd / PICOUSD,
                "amount_usd": amount_picousd / PICOUSD,
            },
        )

    def links(self) -> list[Link]:
        """Return a link to the attempt before the next one."""
        last = self.last_attempt
        return [] if last is None else [Link(last.get_span_context(), {"tollway.link": "previous_attempt"})]

    def retried(self, endpoint: Endpoint, error: ProviderError, delay_s: float) -> None:
        """Note that an endpoint is asked again."""
        self.recorder.metrics.retried(endpoint.labels)
        self.span.add_event(
            "retry", {"tollway.endpoint": endpoint.name, "error.type": error.code, "delay_s": delay_s}
        )

    def retry_denied(self, endpoint: Endpoint) -> None:
        """Note that an endpoint is not asked again, because its upstream's budget of retries is spent."""
        self.recorder.metrics.retry_denied(endpoint.labels)
        self.span.add_event("retry_budget_exhausted", {"tollway.endpoint": endpoint.name})

    def passed_on(self, endpoint: Endpoint, following: Endpoint, error: ProviderError) -> None:
        """Note that another endpoint is asked in the place of one that failed."""
        self.recorder.metrics.fell_back(endpoint.labels, following.name)
        self.span.add_event(
            "fallback", {"from": endpoint.name, "to": following.name, "error.type": error.code}
        )

    def hedged(self, endpoint: Endpoint, beside: Endpoint) -> None:
        """Note that another attempt was started beside one that is slow."""
        self.recorder.metrics.hedged(endpoint.labels)
        self.span.add_event("hedge", {"from": endpoint.name, "to": beside.name})

    def shed(self, endpoint: Endpoint, reason: str) -> None:
        """Note that the call was rejected because too many others are in flight."""
        self.recorder.metrics.shed(endpoint.labels, reason)
        self.span.add_event("shed", {"tollway.endpoint": endpoint.name, "reason": reason})

    def failed(self, status: int, code: str, sent_status: int) -> None:
        """Note a failure: the status it has, and the one that was sent, which differ in a stream's midst.

        A 4xx is the caller's fault, and so no error of this span (HTTP semantic conventions); a stream that
        broke after its 200 is one, whatever status its error has.
        """
        self.status = status
        self.sent_status = sent_status
        self.recorder.metrics.failed(self.labels, self._route, code)
        if status >= 500 or sent_status < 400:
            self.span.set_attribute("error.type", code)
            self.span.set_status(Status(StatusCode.ERROR, code))

    def caller_gone(self) -> None:
        """Note that the caller hung up: nobody's error, and no answer."""
        self.status = CLIENT_CLOSED_REQUEST
        self.recorder.metrics.failed(self.labels, self._route, "client_disconnected")
        self.span.add_event("client_disconnected")

    def close(self) -> None:
        """End the request: its span and its metrics. Telemetry never breaks its caller."""
        recorder = self.recorder
        metrics = recorder.metrics
        metrics.cells[metrics.in_flight] -= 1
        latency_s = recorder.clock_s() - self.started_s
        exemplar = self.trace_id if self._kept(latency_s) else None
        overhead_s = max(0.0, latency_s - self.waited_s)
        metrics.answered(self.labels, self._route, self.status, latency_s, overhead_s, exemplar)
        if self.caller is not None:
            metrics.answered_key(self.caller, self.labels.endpoint, self.status, self.usage)
        if self._is_resolved:  # somebody looked before all was known
            self.span.set_attributes(self._known())
        self.span.end()

    def _resolve_attributes(self) -> dict[str, Any]:
        self._is_resolved = True
        attributes = server_attributes(self._scope, self._route)
        attributes.update(self._known())
        return attributes

    def _known(self) -> dict[str, Any]:
        """Return what the span says beside what was asked for."""
        known: dict[str, Any] = {}
        if self.labels is not UNKNOWN:
            known["tollway.endpoint"] = self.labels.endpoint
        if self.route_name is not None:
            known["tollway.route"] = self.route_name
        if self.caller is not None:
            known["tollway.key"] = self.caller
        if self.sent_status is not None:
            known["http.response.status_code"] = self.sent_status
        return known

    def _kept(self, latency_s: float) -> bool:
        """Say whether the trace will be found by who follows an exemplar: sampled, failed or slow."""
        _, _, _, flags, _, _ = self._raw_context()
        if flags & _SAMPLED or self.status >= 500:
            return True
        slow_s = self.recorder.slow_s
        return slow_s is not None and latency_s >= slow_s


accept_proxies(Recorder, Record)
