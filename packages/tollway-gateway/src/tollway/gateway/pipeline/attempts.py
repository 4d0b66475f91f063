"""Stage four: attempts, one after another, until one has answered the call. Each has its own record.

An attempt that fails before its caller saw anything of it is followed by the next of the plan; so the first
events of a stream decide the status, and an error before them is an HTTP error.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from tollway.gateway.telemetry.genai import answer_attributes, request_attributes
from tollway.gateway.telemetry.propagation import context_of, inject, raw_context
from tollway.provider import AnswerInfo, Call, ProviderError
from tollway.tracing import Deferred

from .deadline import Deadline
from .errors import CallerGone
from .plan import Endpoint, Plan
from .record import Record
from .reply import Reply

_log = logging.getLogger(__name__)


async def answer(plan: Plan, record: Record, deadline: Deadline, reply: Reply) -> None:
    """Answer a call by the first attempt that can. Raises what the last one raised, or `CallerGone`."""
    call = plan.call
    body = b""
    while True:
        endpoint = plan.endpoint
        try:
            with AttemptRecord(record, endpoint, call) as attempt, deadline:
                if call.stream:
                    await _stream(endpoint, call, attempt, deadline, reply)
                else:
                    deadline.expect(endpoint.limits.whole)
                    whole = await endpoint.runner.answer(call, attempt)
                    attempt.info = whole.info
                    attempt.body = body = whole.body
            break
        except ProviderError as error:
            if reply.status is not None or not await plan.advance(error):
                raise
    await (reply.end() if call.stream else reply.whole(200, body))


async def _stream(
    endpoint: Endpoint, call: Call, attempt: AttemptRecord, deadline: Deadline, reply: Reply
) -> None:
    """Get a stream and forward it: the next events are asked for when the caller took those before."""
    limits = endpoint.limits
    deadline.expect(limits.first)
    events = await endpoint.runner.open(call, attempt)
    attempt.info = events.info
    try:
        data = await events.next()
        attempt.first_event()
        await reply.begin_stream()
        while data:
            attempt.saw(data)
            deadline.expect_caller()
            await reply.events(data)
            deadline.expect(limits.idle)
            data = await events.next()
    finally:
        await events.close()


class AttemptRecord:
    """One attempt at one model; see `Attempt`. As a context manager it ends the span, whatever happens.

    `info` is of the answer, and fills as a stream goes; `body` is that of a whole one.
    """

    __slots__ = (
        "_attributes",
        "_call",
        "_content",
        "_context",
        "_endpoint",
        "_first_event_s",
        "_record",
        "_started_s",
        "body",
        "info",
        "span",
        "upstream_headers",
    )

    def __init__(self, record: Record, endpoint: Endpoint, call: Call) -> None:
        recorder = record.recorder
        self._record = record
        self._endpoint = endpoint
        self._call = call
        self._started_s = recorder.clock_s()
        self._content = recorder.content()
        self._first_event_s: float | None = None
        self._context: Context | None = None
        self.info: AnswerInfo | None = None
        self.body: bytes | None = None
        self.upstream_headers: Mapping[str, str] | None = None
        self._attributes = Deferred(self._resolve_attributes)
        self.span = recorder.tracer.start_span(
            endpoint.span_name, record.context, SpanKind.CLIENT, self._attributes
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

    def first_event(self) -> None:
        """Note that the stream has begun."""
        recorder = self._record.recorder
        self._first_event_s = recorder.clock_s() - self._started_s
        recorder.metrics.first_event(self._endpoint.labels, self._first_event_s)

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
        info = self.info
        if info is not None and info.usage is not None:
            self._record.used(self._endpoint, info.usage)
        if self._attributes.is_made:  # somebody looked before all was known
            self.span.set_attributes(self._known())
        del self._attributes  # it holds this: no cycle is left for Python's collector
        self.span.end()

    def _failed(self, error: Exception) -> None:
        kind = error.code if isinstance(error, ProviderError) else type(error).__qualname__
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, str(error)[:1024]))
        self.span.record_exception(error.__cause__ or error)

    def _resolve_attributes(self) -> dict[str, Any]:
        call = self._call
        attributes = dict(self._endpoint.attributes)
        attributes.update(request_attributes(call))
        attributes.update(self._content.asked(call))
        attributes.update(self._known())
        return attributes

    def _known(self) -> dict[str, Any]:
        """Return what the span says of the answer, as far as it came."""
        attributes: dict[str, Any] = {}
        if (request_id := _request_id(self.upstream_headers)) is not None:
            attributes["tollway.upstream.request_id"] = request_id[:256]
        if self._first_event_s is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = self._first_event_s
        if self.info is not None:
            attributes.update(answer_attributes(self.info))
            attributes.update(self._content.answered(self.body))
        return attributes


def _request_id(headers: Mapping[str, str] | None) -> str | None:
    """Return what the upstream calls this request: OpenAI's header, or Anthropic's."""
    return None if headers is None else headers.get("x-request-id") or headers.get("request-id")
