"""What one attempt leaves behind: its CLIENT span, its outcome for the upstream, its numbers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from tollway.gateway.apis import APICall
from tollway.gateway.cost import PICOUSD
from tollway.gateway.errors import CallerGone
from tollway.gateway.redaction import KNOWN_SECRETS
from tollway.gateway.resilience.breaker import SUCCESS, Outcome
from tollway.gateway.resilience.hedge import NO_HEDGE
from tollway.gateway.telemetry.genai import answer_attributes, request_attributes
from tollway.provider import Answer, AnswerInfo, ProviderError
from tollway.tracing import Deferred
from tollway.tracing.compiled import accept_proxies

from .endpoint import Endpoint
from .record import Record

_log = logging.getLogger(__name__)

_CLIENT = SpanKind.CLIENT


class AttemptRecord:
    """One attempt at one model; see `Attempt`. Its span lasts until `end`.

    `info` is of the answer, and fills as a stream goes; `body` is that of a whole one. `permit` is of the
    upstream's breaker, and goes back with the outcome. `reason` says why it is not the first attempt.
    """

    def __init__(
        self, record: Record, endpoint: Endpoint, call: APICall, permit: int, reason: str | None = None
    ) -> None:
        recorder = record.recorder
        self.endpoint = endpoint
        self._record = record
        self._call = call
        self._permit = permit
        self._reason = reason
        self._started_s = recorder.clock_s()
        self._content = recorder.content()
        self._first_token_s: float | None = None
        self._chunk_s = 0.0
        """When the last chunk of a stream came, where that is measured."""
        self._cost_picousd: int | None = None
        self.info: AnswerInfo | None = None
        self.body: bytes | None = None
        self.upstream_headers: Mapping[str, str] | None = None
        self.cancelled_by: Exception | None = None
        """Why this attempt is cancelled; None where another one was faster."""
        self._is_resolved = self._is_cut = False
        self.span = span = recorder.tracer.start_span(
            endpoint.span_name,
            record.context,
            _CLIENT,
            Deferred(self._resolve_attributes),
            None if reason is None else record.links(),
        )
        self.raw_context = getattr(span, "raw_context", None) or span.get_span_context
        record.last_attempt = span

    def waited(self, for_s: float) -> None:
        """See `Attempt.waited`."""
        self._record.waited_s += for_s

    def answered(self, answer: Answer | None = None) -> None:
        """Note that the answer is there: all of a whole one, or (None) the first token of a stream."""
        endpoint = self.endpoint
        recorder = self._record.recorder
        took_s = recorder.clock_s() - self._started_s
        if answer is None:
            self._first_token_s = took_s
            recorder.metrics.first_token(endpoint.labels, took_s)
            if recorder.measures and endpoint.inference is not None:
                endpoint.inference.began(took_s)
        else:
            self.info, self.body = answer.info, answer.body
        if endpoint.upstream.latency is not None:
            endpoint.upstream.answered(took_s)
        if endpoint.hedge is not NO_HEDGE and self._reason != "hedge":
            endpoint.hedge.observe(took_s, stream=answer is None)

    def saw(self, events: bytes) -> None:
        """Look at events in passing."""
        self._content.saw(events)
        if self._record.recorder.measures:
            self._measure_chunk()

    def lost_to(self, winner: SpanContext) -> None:
        """Note that another attempt at the same call was faster."""
        self.span.add_link(winner, {"tollway.link": "faster_attempt"})

    def end(self, error: BaseException | None = None) -> None:
        """End the span, and let the upstream's health learn of the outcome."""
        self._is_cut = error is not None and self._first_token_s is not None
        if self.info is not None:
            try:
                self._account(self.info, error)
            except Exception:  # telemetry never breaks its caller
                _log.exception("the tokens of an answer could not be counted")
        if self._record.recorder.measures:
            self._measure(error)
        upstream = self.endpoint.upstream
        if error is None and upstream.breaker.quiet:
            upstream.end(self._permit, SUCCESS)
        else:
            self._settle(error)
        if self._is_resolved:  # somebody looked before all was known
            self.span.set_attributes(self._known())
        self.span.end()

    def _measure_chunk(self) -> None:
        """Measure the wait for what came after a stream's first chunk; what comes together is one."""
        now_s, before_s = self._record.recorder.clock_s(), self._chunk_s
        self._chunk_s = now_s
        if before_s and self.endpoint.inference is not None:
            self.endpoint.inference.chunk(now_s - before_s)

    def _measure(self, error: BaseException | None) -> None:
        """Measure the whole call, by its error if it had one: also where nobody waited for its end."""
        recorder, inference = self._record.recorder, self.endpoint.inference
        if inference is not None:
            usage = None if self.info is None else self.info.usage
            kind = "" if error is None else recorder.metrics.code_label(_error_type(error))
            inference.ended(recorder.clock_s() - self._started_s, kind, usage)

    def _account(self, info: AnswerInfo, error: BaseException | None) -> None:
        """Count the tokens of an answer, and what it costs; one that never began has neither."""
        record, endpoint = self._record, self.endpoint
        metrics = record.recorder.metrics
        if info.unread:
            metrics.unread(endpoint.name)
        if info.usage is not None:
            record.usage = info.usage
            metrics.used(endpoint.labels, info.usage)
        elif error is not None and self._first_token_s is None:
            return
        cost = endpoint.pricing.cost(info)
        if isinstance(cost, int):
            self._cost_picousd = cost
            record.cost_picousd = cost + (record.cost_picousd or 0)
            metrics.spent(endpoint.name, cost)
        else:
            record.is_priced = False
            metrics.unpriced(endpoint.name, cost.value)
        if record.spending is not None:
            record.spending.charge(endpoint, cost)

    def _settle(self, error: BaseException | None) -> None:
        """Let the upstream's health learn of the outcome, and note on the span what went wrong."""
        if isinstance(error, asyncio.CancelledError) and self.cancelled_by is not None:
            error, self.cancelled_by = self.cancelled_by, None
        upstream = self.endpoint.upstream
        before = upstream.breaker.state
        if error is None:
            upstream.end(self._permit, Outcome.SUCCESS)
        elif isinstance(error, ProviderError):
            upstream.failed(self._permit, error)
            self._failed(error, error.code)
        elif isinstance(error, CallerGone):
            upstream.end(self._permit, Outcome.NEUTRAL)
            self.span.add_event("client_disconnected")
        elif isinstance(error, Exception):
            upstream.end(self._permit, Outcome.NEUTRAL)
            self._failed(error, type(error).__qualname__)
        else:
            upstream.end(self._permit, Outcome.NEUTRAL)
            self.span.add_event("cancelled")
        if (now := upstream.breaker.state) is not before:
            states = {"from": str(before.name).lower(), "to": str(now.name).lower()}
            self.span.add_event("circuit_breaker", {"upstream": upstream.name, **states})

    def _failed(self, error: Exception, kind: str) -> None:
        self._record.recorder.metrics.attempt_failed(self.endpoint.labels, kind)
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, KNOWN_SECRETS.hide(str(error))[:1024]))
        cause = error.__cause__ or error
        self.span.record_exception(cause, KNOWN_SECRETS.exception_attributes(cause))

    def _resolve_attributes(self) -> dict[str, Any]:
        self._is_resolved = True
        call = self._call
        attributes = dict(self.endpoint.attributes)
        if self._record.route_name is not None:
            attributes["tollway.route"] = self._record.route_name
        attributes.update(request_attributes(call))
        attributes.update(self._content.asked(call))
        attributes.update(self._known())
        return attributes

    def _known(self) -> dict[str, Any]:
        """Return what the span says of the answer, as far as it came."""
        attributes: dict[str, Any] = {}
        if self._reason is not None:
            attributes["tollway.attempt.reason"] = self._reason
        if (request_id := _request_id(self.upstream_headers)) is not None:
            attributes["tollway.upstream.request_id"] = request_id[:256]
        if self._first_token_s is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = self._first_token_s
        if self._cost_picousd is not None:
            attributes["gen_ai.usage.cost"] = self._cost_picousd / PICOUSD
        if self.info is not None:
            attributes.update(answer_attributes(self.info, cut=self._is_cut))
            attributes.update(self._content.answered(self.body))
        return attributes


accept_proxies(AttemptRecord)


def _error_type(error: BaseException) -> str:
    """Return the conventions' `error.type`, which is a label here: one of few words."""
    if isinstance(error, ProviderError):
        return error.code
    if isinstance(error, CallerGone):
        return "client_disconnected"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "internal_error"


def _request_id(headers: Mapping[str, str] | None) -> str | None:
    """Return what the upstream calls this request: OpenAI's header, or Anthropic's."""
    return None if headers is None else headers.get("x-request-id") or headers.get("request-id")
