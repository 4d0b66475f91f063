"""A request's way: request, route, admit, attempt, answer; and its record around all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from tollway.gateway.config.values import TimeoutConfig
from tollway.provider import Call, ProviderError, UpstreamTimeoutError

from .admit import admit
from .answer import Reply, Send
from .attempt import Events
from .exchange import Exchange, exchange_of
from .failure import INTERNAL, STOPPING, Failure, failure_of
from .lines import lines_of
from .paths import Entrance
from .record import AttemptRecord, Record, Recorder
from .refusal import Refusal
from .request import check_call, parse_object, read_body
from .route import Endpoint
from .timers import Timers
from .watch import CallerGone, Receive, Watch

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]


class DataPlane:
    """Serves every request that came through an `Entrance`."""

    def __init__(self, recorder: Recorder, max_body_bytes: int) -> None:
        self._recorder = recorder
        self._max_body_bytes = max_body_bytes
        self._timers: Timers | None = None

    async def serve(self, entrance: Entrance, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong is an answer too, and recorded."""
        exchange = exchange_of(scope)
        record = self._recorder.open(entrance.route, scope, exchange)
        reply = Reply(send, entrance.shape, record, exchange)
        try:
            await self._serve(entrance, scope, receive, exchange, reply, record)
        except CallerGone:
            record.caller_gone()
        except (Refusal, ProviderError) as error:
            await _fail(scope, reply, record, failure_of(error))
        except asyncio.CancelledError:  # the server stops, and has waited as long as it would
            await _fail(scope, reply, record, STOPPING)
        except Exception:
            _log.exception("a request failed inside the gateway, trace %s", record.trace_id)
            await _fail(scope, reply, record, INTERNAL)
        finally:
            if exchange is None:
                record.close()
            else:
                exchange.when_sent(record.close)

    async def _serve(
        self,
        entrance: Entrance,
        scope: Scope,
        receive: Receive,
        exchange: Exchange | None,
        reply: Reply,
        record: Record,
    ) -> None:
        entrance.check(scope)
        body = await read_body(scope["headers"], receive, self._max_body_bytes, exchange)
        payload = parse_object(body)
        destination = entrance.find(payload)
        call = check_call(destination.task, payload, body)
        endpoint = destination.choose()
        record.routed(endpoint)
        reply.add(admit(endpoint, record))
        if self._timers is None:
            self._timers = Timers()
        watch = Watch(receive, self._timers, exchange)
        with record.attempt(endpoint, call) as attempt, watch:
            if call.stream:
                await _stream(endpoint, call, attempt, watch, reply)
            else:
                body = await _ask(endpoint, call, attempt, watch)
        await (reply.end() if call.stream else reply.whole(200, body))
        record.answered(200)


async def _ask(endpoint: Endpoint, call: Call, attempt: AttemptRecord, watch: Watch) -> bytes:
    """Get a whole answer within `total`; nothing shorter can be told from a model at work."""
    total_s = endpoint.config.timeout.total_s
    watch.expect(total_s, lambda: UpstreamTimeoutError(f"the model did not answer within {total_s:g} s"))
    answer = await endpoint.runner.answer(call, attempt)
    attempt.answered(answer.info, answer.body)
    return answer.body


async def _stream(endpoint: Endpoint, call: Call, attempt: AttemptRecord, watch: Watch, reply: Reply) -> None:
    """Get a stream and forward it. Its first events decide the status: errors before are HTTP errors."""
    timer = _StreamTimer(watch, endpoint.config.timeout)
    timer.before_first()
    events = await endpoint.runner.open(call, attempt)
    attempt.answered(events.info)
    try:
        data = await events.next()
        attempt.first_event()
        await reply.begin_stream()
        await _forward(data, events, attempt, timer, reply)
    finally:
        await events.close()


async def _forward(
    data: bytes, events: Events, attempt: AttemptRecord, timer: _StreamTimer, reply: Reply
) -> None:
    while data:
        attempt.saw(data)
        timer.before_send()
        await reply.events(data)
        timer.before_next()
        data = await events.next()


class _StreamTimer:
    """The time limits of one stream: on its first event, on each silence, and on all of it."""

    def __init__(self, watch: Watch, timeout: TimeoutConfig) -> None:
        self._watch = watch
        self._timeout = timeout
        self._end_s = watch.now_s() + timeout.total_s
        self._no_start = _late(f"the model did not begin its answer within {timeout.first_token_s:g} s")
        self._silence = _late(f"the model fell silent for {timeout.idle_s:g} s")
        self._no_end = _late(f"the model did not finish within {timeout.total_s:g} s")

    def before_first(self) -> None:
        """Expect the first events."""
        self._expect(self._timeout.first_token_s, self._no_start)

    def before_next(self) -> None:
        """Expect the next events."""
        self._expect(self._timeout.idle_s, self._silence)

    def before_send(self) -> None:
        """Expect the caller to take what it has; one that never does is as good as gone."""
        self._watch.expect(max(0.0, self._end_s - self._watch.now_s()), CallerGone)

    def _expect(self, within_s: float, late: Callable[[], Exception]) -> None:
        left_s = self._end_s - self._watch.now_s()
        if left_s < within_s:
            self._watch.expect(max(0.0, left_s), self._no_end)
        else:
            self._watch.expect(within_s, late)


def _late(message: str) -> Callable[[], Exception]:
    return lambda: UpstreamTimeoutError(message)


async def _fail(scope: Scope, reply: Reply, record: Record, failure: Failure) -> None:
    reply.add(lines_of(failure.headers))
    if (b"expect", b"100-continue") in scope["headers"]:  # its body may never come: nothing can follow it
        reply.hang_up_after()
    await reply.fail(failure)
    record.failed(failure.status, failure.code, reply.status or failure.status)
