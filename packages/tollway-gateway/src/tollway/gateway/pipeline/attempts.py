"""Stage four: attempts, one after another, until one has answered the call. Each has its own record.

An attempt that fails before its caller saw anything of it is followed by the next of the plan; so the first
token of a stream decides the status, and an error before it is an HTTP error. What becomes of a stream that
fails later is its relay's business.
"""

from __future__ import annotations

from typing import NamedTuple

from tollway.gateway.apis import APICall
from tollway.gateway.resilience.hedge import NO_HEDGE
from tollway.provider import ProviderError

from .attempt_record import AttemptRecord
from .deadline import Deadline
from .endpoint import Endpoint, Events
from .plan import Plan
from .record import Record
from .relay import Relay, relay_of
from .reply import Reply

_MAX_HELD_BYTES = 64 * 1024
"""What a stream may say before its first token; one that says more has begun."""


class Opened(NamedTuple):
    """An attempt whose answer is there: all of a whole one, or the events of a stream to its first token."""

    attempt: AttemptRecord
    data: bytes
    events: Events | None


async def answer(plan: Plan, record: Record, deadline: Deadline, reply: Reply) -> None:
    """Answer a call by the first attempt that can. Raises what the last one raised, or `CallerGone`."""
    relay = relay_of(plan.endpoint.stream_recovery, reply, plan.call.api) if plan.call.stream else None
    call = plan.call
    while True:
        try:
            body = await _attempt(plan, call, record, deadline, reply, relay)
            break
        except ProviderError as error:
            if relay is None:
                following: APICall | None = call
            else:
                following = relay.resumed(plan.call)
            begun = relay is not None and relay.has_shown
            if following is None or not await plan.advance(error, deadline, begun=begun):
                raise
            call = following
    await (reply.whole(200, body) if relay is None else relay.end())
    record.status = record.sent_status = 200


async def _attempt(
    plan: Plan, call: APICall, record: Record, deadline: Deadline, reply: Reply, relay: Relay | None
) -> bytes:
    """Make one attempt, and what is hedged with it; return the body of a whole answer."""
    endpoint, limit = plan.endpoint, plan.limit()
    permit = plan.begin()
    if endpoint.hedge is not NO_HEDGE and plan.reason is None:
        after_s = endpoint.hedge.after_s(stream=call.stream)
        if after_s is not None:
            from .hedging import hedged  # most requests never come here

            with deadline.expect(limit):
                opened = await hedged(plan, call, record, deadline, permit, after_s)
            return await _finish(opened, plan, deadline, reply, relay)
    attempt = AttemptRecord(record, endpoint, call, permit, plan.reason)
    if not endpoint.pricing.is_ready:
        endpoint.pricing.begin()
    try:
        if relay is None:
            with deadline.expect(limit):
                whole = await endpoint.runner_for(call).answer(call, attempt)
            attempt.answered(whole)
            reply.info, data = whole.info, whole.body
        else:
            with deadline.expect(limit):
                data, events = await open_stream(endpoint, call, attempt)
                reply.info = events.info
                await relay.pass_on(data, events, attempt, deadline, endpoint.limits)
        if not endpoint.pricing.is_ready:
            await endpoint.pricing.prepare()
    except BaseException as error:
        attempt.end(error)
        raise
    attempt.end()
    if plan.key is not None:
        plan.served(endpoint)
    return data


async def _finish(opened: Opened, plan: Plan, deadline: Deadline, reply: Reply, relay: Relay | None) -> bytes:
    """See an answer through that was opened already."""
    attempt, data, events = opened
    reply.info = attempt.info
    try:
        if events is not None and relay is not None:
            with deadline:
                await relay.pass_on(data, events, attempt, deadline, attempt.endpoint.limits)
        await attempt.endpoint.pricing.prepare()
    except BaseException as error:
        attempt.end(error)
        raise
    attempt.end()
    if plan.key is not None:
        plan.served(attempt.endpoint)
    return data


async def open_stream(endpoint: Endpoint, call: APICall, attempt: AttemptRecord) -> tuple[bytes, Events]:
    """Ask for a stream; return its events up to the first token, and those that follow."""
    events = await endpoint.runner_for(call).open(call, attempt)
    attempt.info = events.info
    try:
        data = await _to_first_token(events)
    except BaseException:
        await events.close()
        raise
    attempt.answered()
    return data, events


async def _to_first_token(events: Events) -> bytes:
    """Wait for events until one carries a token; comments and a role alone are none."""
    data = await events.next()
    while events.info.token_seen is False and data and len(data) <= _MAX_HELD_BYTES:
        more = await events.next()
        if not more:
            break
        data += more
    return data
