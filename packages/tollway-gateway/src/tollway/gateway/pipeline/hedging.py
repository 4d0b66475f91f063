"""A second attempt beside a first one that is slow: the first good answer wins, the other is cancelled."""

from __future__ import annotations

import asyncio

from tollway.gateway.apis import APICall
from tollway.provider import ProviderError

from .admit import Grant
from .attempt_record import AttemptRecord
from .attempts import Opened, open_stream
from .deadline import Deadline
from .endpoint import Endpoint
from .plan import Plan
from .record import Record


async def hedged(
    plan: Plan, call: APICall, record: Record, deadline: Deadline, permit: int, after_s: float
) -> Opened:
    """Open an answer; when it is not there after `after_s` and the budget allows, by a second attempt too.

    Raises what the attempt raised that failed last.
    """
    race = _Race(call, record, deadline)
    race.enter(plan.endpoint, permit, None)
    try:
        opened = await race.wait(after_s)
        if opened is None:
            grant = await _begin_hedge(race, plan, record, deadline)
            try:
                opened = await race.wait(None)
            finally:
                if grant is not None:
                    grant.settle(None)
        assert opened is not None
        return opened
    finally:
        await race.stop(deadline)


async def _begin_hedge(race: _Race, plan: Plan, record: Record, deadline: Deadline) -> Grant | None:
    endpoint = plan.endpoint
    beside = plan.beside()
    if not endpoint.hedge.allow():
        return None
    grant = Grant() if beside is endpoint else await plan.admit(beside, deadline)
    permit = None if grant is None else beside.upstream.begin(last=False, retry=beside is endpoint)
    if permit is None:
        return grant
    record.hedged(endpoint, beside)
    plan.asked_beside(beside)
    race.enter(beside, permit, "hedge")
    return grant


class _Race:
    """Attempts at one call that run side by side."""

    def __init__(self, call: APICall, record: Record, deadline: Deadline) -> None:
        self._call = call
        self._record = record
        self._deadline = deadline
        self._running: dict[asyncio.Task[Opened], AttemptRecord] = {}
        self._winner: AttemptRecord | None = None
        self._error: ProviderError | None = None

    def enter(self, endpoint: Endpoint, permit: int, reason: str | None) -> None:
        """Start an attempt."""
        attempt = AttemptRecord(self._record, endpoint, self._call, permit, reason)
        self._running[asyncio.ensure_future(self._open(endpoint, attempt))] = attempt

    async def wait(self, for_s: float | None) -> Opened | None:
        """Wait for a good answer; None when `for_s` is over. Raises the last error when all have failed."""
        while self._running:
            done, _ = await asyncio.wait(self._running, timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return None
            opened = await self._judge(done)
            if opened is not None:
                return opened
        assert self._error is not None
        raise self._error

    async def _judge(self, done: set[asyncio.Task[Opened]]) -> Opened | None:
        """Return the first good answer among attempts that have ended, and let go of another one."""
        winner = None
        for task in done:
            attempt = self._running.pop(task)
            error = task.exception()
            if isinstance(error, ProviderError):
                self._error = error
            elif error is not None:
                raise error
            elif winner is None:
                winner, self._winner = task.result(), attempt
            else:
                await self._discard(task.result())
        return winner

    async def stop(self, deadline: Deadline) -> None:
        """Cancel what still runs: its upstream sees the hang-up."""
        for task, attempt in self._running.items():
            attempt.cancelled_by = deadline.reason
            if self._winner is not None:
                attempt.lost_to(self._winner.span.get_span_context())
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        for task in self._running:
            if not task.cancelled() and task.exception() is None:
                await self._discard(task.result())
        self._running.clear()

    async def _open(self, endpoint: Endpoint, attempt: AttemptRecord) -> Opened:
        try:
            if self._call.stream:
                data, events = await open_stream(endpoint, self._call, attempt)
                return Opened(attempt, data, events)
            whole = await endpoint.runner_for(self._call).answer(self._call, attempt)
        except BaseException as error:
            attempt.end(error)
            raise
        attempt.answered(whole)
        return Opened(attempt, whole.body, None)

    async def _discard(self, opened: Opened) -> None:
        """Let go of a good answer that came too late."""
        if opened.events is not None:
            await opened.events.close()
        opened.attempt.end(asyncio.CancelledError())
