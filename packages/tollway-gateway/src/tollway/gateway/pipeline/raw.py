"""Stage four of a request that passes raw: one attempt, whose answer goes to the caller as it comes.

No retry and no fallback: the path is one of this service, and its body may have gone by.
"""

from __future__ import annotations

from dataclasses import replace

from tollway.gateway.errors import RequestRejected
from tollway.gateway.redaction import KNOWN_SECRETS
from tollway.gateway.telemetry.genai import span_name
from tollway.gateway.telemetry.propagation import inject
from tollway.gateway.upstream import UpstreamClient, UpstreamStream
from tollway.provider import HTTPProvider, PayloadError, ProviderError, UpstreamResponse
from tollway.provider.raw_answers import RawAnswer

from .attempt_http import whole_error
from .attempt_record import AttemptRecord
from .deadline import Deadline
from .endpoint import Attempt, Endpoint
from .plan import Plan
from .raw_headers import answer_lines
from .raw_request import RawCall, whole_upload
from .record import Record
from .reply import Reply

_OF_THE_GATEWAY = frozenset({401, 407})
"""Statuses about the gateway's own credentials, which are no business of the caller's."""

_BODILESS = frozenset({204, 304})


class RawRunner:
    """Passes requests on to the service of one `HTTPProvider`, with its credentials."""

    def __init__(self, provider: HTTPProvider, client: UpstreamClient, connect_s: float) -> None:
        self.provider = provider
        self._client = client
        self._connect_s = connect_s

    async def open(self, call: RawCall, attempt: Attempt) -> UpstreamStream:
        """Send a request; return its answer, of any status, when its head is there."""
        provider, body, upload = self.provider, call.body, call.upload
        if call.written_for is not None:
            body = call.written_for(provider.target.model)
        elif upload is not None and provider.raw_needs_body:
            body, upload = await whole_upload(upload), None
        # An answer to HEAD would end elsewhere than its head says; that of GET has the same head.
        method = "GET" if call.method == "HEAD" else call.method
        request = provider.raw(method, self._path_of(call), call.headers, body)
        lines = inject(attempt.raw_context())
        if upload is None:
            stream = await self._client.open(request, self._connect_s, lines, attempt.waited)
        else:
            stream = await self._client.upload(request, upload, self._connect_s, lines, attempt.waited)
        attempt.upstream_headers = stream.headers
        return stream

    def _path_of(self, call: RawCall) -> str:
        if not call.is_model:
            return call.path
        method, sign, query = call.path.partition("?")
        path = self.provider.raw_model_path("gemini", method)
        if path is None:
            message = "the model of this endpoint is not asked by Gemini's API: use /v1/chat/completions"
            raise PayloadError(message, code="passthrough_unsupported")
        return path + sign + query


async def pass_on(plan: Plan, record: Record, deadline: Deadline, reply: Reply) -> None:
    """Pass a request on, and its answer back. Raises what the attempt raised, or `CallerGone`."""
    call, endpoint = plan.call, plan.endpoint
    assert isinstance(call, RawCall)
    runner = endpoint.raw
    if runner is None:
        message = f"{endpoint.name!r} has no service that requests could be passed on to"
        raise RequestRejected(400, "passthrough_unsupported", message)
    permit = plan.begin()
    attempt = AttemptRecord(record, _seen_as(endpoint, call), call, permit)
    if not endpoint.pricing.is_ready:
        endpoint.pricing.begin()
    failed: ProviderError | None = None
    try:
        with deadline.expect(endpoint.limits.whole):
            stream = await runner.open(call, attempt)
            try:
                failed = await _answer(stream, call, runner, attempt, deadline, reply)
            finally:
                attempt.waited(stream.waited_s)
                stream.close()
        if not endpoint.pricing.is_ready:
            await endpoint.pricing.prepare()
    except BaseException as error:
        attempt.end(error)
        raise
    attempt.end(failed)
    status = reply.status or 200
    if failed is None:
        record.status = record.sent_status = status
    else:
        record.failed(status, failed.code, status)


async def _answer(
    stream: UpstreamStream,
    call: RawCall,
    runner: RawRunner,
    attempt: AttemptRecord,
    deadline: Deadline,
    reply: Reply,
) -> ProviderError | None:
    """Answer the caller; return the error that the answer is, if it is one."""
    if stream.status < 400:
        await _relay(stream, call, attempt, deadline, reply)
        return None
    response = await whole_error(stream)
    error = runner.provider.error(response)
    if stream.status in _OF_THE_GATEWAY:
        raise error
    lines, body = answer_lines(_without_length(response)), _hidden(response.body, runner.provider)
    await reply.begin_raw(stream.status, lines + b"content-length: %d\r\n" % len(body))
    await reply.events(body)
    await reply.end()
    return error


async def _relay(
    stream: UpstreamStream, call: RawCall, attempt: AttemptRecord, deadline: Deadline, reply: Reply
) -> None:
    """Pass an answer on as it comes: what follows is asked for when the caller took what came before."""
    seen = RawAnswer(stream.headers.get("content-type", ""))
    if call.body or call.upload is not None:
        attempt.info = seen.info
    lines = answer_lines(stream.headers)
    await reply.begin_raw(stream.status, lines)
    if call.method != "HEAD" and stream.status not in _BODILESS:
        idle = attempt.endpoint.limits.idle
        deadline.expect(idle)
        while data := await stream.read():
            seen.feed(data)
            deadline.expect_caller()
            await reply.events(data)
            deadline.expect(idle)
    seen.end()
    await reply.end()


def _seen_as(endpoint: Endpoint, call: RawCall) -> Endpoint:
    """Return the endpoint as the span of the attempt tells of it."""
    operation = call.api.operation
    attributes = {
        **endpoint.attributes,
        "gen_ai.operation.name": operation,
        "http.request.method": call.method,
    }
    name = span_name(operation, endpoint.labels.model)
    inference = None if endpoint.inference is None else endpoint.inference.of(operation)
    return replace(endpoint, span_name=name, attributes=attributes, inference=inference)


def _without_length(response: UpstreamResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name != "content-length"}


def _hidden(body: bytes, provider: HTTPProvider) -> bytes:
    """Return the body of an error without the gateway's secrets, which services may repeat."""
    text = body.decode("utf-8", "surrogateescape")
    hidden = KNOWN_SECRETS.hide(provider.redact(text))
    return body if hidden == text else hidden.encode("utf-8", "surrogateescape")
