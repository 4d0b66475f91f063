"""Stage two: who answers a call, and what is asked next when an attempt fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from tollway.gateway.apis import APICall
from tollway.gateway.config.values import RouteConfig
from tollway.gateway.errors import RequestRejected
from tollway.gateway.resilience.breaker import CircuitOpenError
from tollway.gateway.resilience.candidates import next_after, with_fallbacks
from tollway.gateway.resilience.routing import Strategy
from tollway.gateway.resilience.sticky import conversation_key
from tollway.gateway.resilience.upstream import Upstream
from tollway.provider import ProviderError, Task

from .admit import Grant, admit_next
from .deadline import NEVER, Deadline, TimeLimit
from .endpoint import Endpoint
from .quota import Quota, Scope
from .record import Record
from .spending import Spending

if TYPE_CHECKING:
    from tollway.gateway.budgets.budget import Budget

Chains = Mapping[str, Sequence[Endpoint]]
"""By an endpoint's name: what is asked after it fails."""


class Destination(Protocol):
    """What a name stands for: an endpoint or a route."""

    @property
    def name(self) -> str:
        """What callers call it."""

    @property
    def task(self) -> Task:
        """What it does."""

    quotas: tuple[Quota, ...]
    """Its own limits, beside those of the endpoints that it leads to."""

    budgets: tuple[Budget, ...]
    """Its own budgets, likewise."""

    route_name: str | None
    """That of a route; None of an endpoint."""

    models: tuple[str, ...]
    """What callers may write for it beside its name; one `*` in each stands for any text."""

    by_conversation: bool
    """Whether it goes by the conversation that a call belongs to."""

    def key(self, headers: Iterable[tuple[bytes, bytes]], call: APICall) -> bytes | None:
        """Return what stands for the conversation of a call; None if nothing does."""

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """Return the endpoints that may serve a call, the one to ask first and those to ask when it fails."""

    def served(self, key: bytes | None, name: str) -> None:
        """Note which endpoint answered a call; `key` is that of its conversation."""


class Direct:
    """An endpoint by its own name, then its fallbacks."""

    route_name: str | None = None
    models: tuple[str, ...] = ()
    by_conversation = False
    quotas: tuple[Quota, ...] = ()
    """None: those of the endpoint are its endpoint's."""

    budgets: tuple[Budget, ...] = ()

    def __init__(self, endpoint: Endpoint, chains: Chains) -> None:
        self.name = endpoint.name
        self.task = endpoint.task
        self._only = (endpoint,)
        self._chains = chains if chains.get(endpoint.name) else None

    def key(self, headers: Iterable[tuple[bytes, bytes]], call: APICall) -> bytes | None:
        """See `Destination.key`."""
        return None

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """See `Destination.candidates`."""
        only = iter(self._only)
        return only if self._chains is None else with_fallbacks(only, self._chains)

    def served(self, key: bytes | None, name: str) -> None:
        """See `Destination.served`."""


class Routed:
    """A route: endpoints in the order of its strategy, then the fallbacks of all of them."""

    def __init__(
        self,
        config: RouteConfig,
        strategy: Strategy[Endpoint],
        chains: Chains,
        quotas: tuple[Quota, ...] = (),
        budgets: tuple[Budget, ...] = (),
    ) -> None:
        self.name = config.name
        self.route_name: str | None = config.name
        self.models = (config.name, *config.models) if "*" in config.name else config.models
        self.quotas = quotas
        self.budgets = budgets
        self.task = config.task_type
        self.by_conversation = strategy.by_conversation
        self._strategy = strategy
        self._header = None if config.sticky.header is None else config.sticky.header.encode()
        self._chains = chains

    def key(self, headers: Iterable[tuple[bytes, bytes]], call: APICall) -> bytes | None:
        """See `Destination.key`."""
        return conversation_key(headers, call.api, call.payload, self._header)

    def candidates(self, key: bytes | None) -> Iterator[Endpoint]:
        """See `Destination.candidates`."""
        return with_fallbacks(self._strategy.candidates(key), self._chains)

    def served(self, key: bytes | None, name: str) -> None:
        """See `Destination.served`."""
        self._strategy.served(key, name)


class Plan:
    """The attempts that one call may take, one after another, within one deadline.

    `endpoint` is to be asked now, for the `reason` (None the first time, else `retry`, `fallback` or
    `continue`). The call is admitted to one endpoint at a time.
    """

    __slots__ = (
        "_asked",
        "_candidates",
        "_following",
        "_record",
        "attempts",
        "call",
        "destination",
        "endpoint",
        "grant",
        "key",
        "reason",
        "scope",
    )

    def __init__(
        self,
        call: APICall,
        destination: Destination,
        scope: Scope,
        record: Record,
    ) -> None:
        self.call = call
        self.reason: str | None = None
        self.attempts = 0
        self.destination = destination
        self.scope = scope
        self.key = key = destination.key(scope["headers"], call) if destination.by_conversation else None
        self._record = record
        self._candidates: Iterator[Endpoint] = destination.candidates(key)
        self._following: Endpoint | None = None
        self._asked: list[Upstream] = []
        self.grant: Grant | None = None
        """What the endpoint that is asked granted the call; to be settled at the end."""
        self.endpoint = endpoint = next(self._candidates)
        record.labels = endpoint.labels
        record.route_name = destination.route_name

    def begin(self) -> int:
        """Return the breaker's permit for the next attempt. Raises `CircuitOpenError`."""
        upstream = self.endpoint.upstream
        is_retry = self.attempts > 0
        permit = upstream.begin(last=False, retry=is_retry)
        if permit is None:
            permit = upstream.begin(last=not self.has_following(), retry=is_retry)
        if permit is None:
            raise CircuitOpenError(self.endpoint.name, upstream.breaker.retry_after_s)
        self.attempts += 1
        return permit

    def has_following(self) -> bool:
        """Say whether another endpoint may be asked after this one."""
        if self._following is None:
            self._following = next(self._candidates, None)
        return self._following is not None

    def limit(self) -> TimeLimit:
        """Return how long the next attempt may take for a whole answer, or for the first token of a stream.

        A model at work on a whole answer says nothing before it is done, so a silent one cannot be told from
        a busy one: where another could be asked, it gets half of the time there is.
        """
        limits = self.endpoint.limits
        if self.call.stream:
            return limits.first
        return limits.half if self.has_following() else limits.whole

    async def advance(self, error: ProviderError, deadline: Deadline, *, begun: bool = False) -> bool:
        """Set out for the next attempt; return False when there is none.

        With `begun`, its caller has seen the beginning of an answer: only a model that goes on with it can
        be asked.
        """
        if not begun and await self._retry(error, deadline):
            return True
        self._asked.append(self.endpoint.upstream)
        while (endpoint := next_after(error, self._asked, self._rest())) is not None:
            if begun and not endpoint.can_prefill:
                continue
            grant = await self.admit(endpoint, deadline)
            if grant is None:
                continue
            self._record.passed_on(self.endpoint, endpoint, error)
            self.grant = grant if self.grant is None else self.grant.pass_on(grant, answered=begun)
            self.endpoint, self.attempts = endpoint, 0
            self.reason = "continue" if begun else "fallback"
            return True
        return False

    async def admit(self, endpoint: Endpoint, deadline: Deadline) -> Grant | None:
        """Admit the call to another endpoint than the first; None when that has no room for it."""
        grant = await admit_next(endpoint, self, self._record, deadline)
        if grant is not None and endpoint.budgets and not await self._affords(endpoint, deadline):
            grant.settle(None)
            return None
        return grant

    async def _affords(self, endpoint: Endpoint, deadline: Deadline) -> bool:
        """Say whether the budgets of another endpoint allow the call; what it may cost is reserved."""
        record = self._record
        if record.spending is None:
            record.spending = Spending((), record)
        try:
            await record.spending.add(endpoint, self.call, deadline)
        except RequestRejected:
            return False
        return True

    def beside(self) -> Endpoint:
        """Return whom to ask beside an endpoint that is slow: the next one, else the same again."""
        return self._following if self.has_following() and self._following is not None else self.endpoint

    def asked_beside(self, endpoint: Endpoint) -> None:
        """Note that an endpoint was asked beside the first: when both fail, it is not asked once more."""
        if endpoint is self._following:
            self._following = None
            self._asked.append(endpoint.upstream)

    def served(self, endpoint: Endpoint) -> None:
        """Note who answered, where the next request of the conversation is to go there."""
        self.destination.served(self.key, endpoint.name)

    async def _retry(self, error: ProviderError, deadline: Deadline) -> bool:
        """Wait for the time of a retry, if there is to be one."""
        endpoint = self.endpoint
        budget = endpoint.upstream.budget
        exhausted = budget.exhausted
        delay_s = endpoint.retry.delay_s(self.attempts, error, deadline.left_s(), budget)
        if delay_s is None:
            if budget.exhausted > exhausted:
                self._record.retry_denied(endpoint)
            return False
        self._record.retried(endpoint, error, delay_s)
        self.reason = "retry"
        with deadline.expect(NEVER):
            await asyncio.sleep(delay_s)
        return True

    def _rest(self) -> Iterator[Endpoint]:
        """Give the candidates that were not asked yet."""
        while self.has_following() and self._following is not None:
            following, self._following = self._following, None
            yield following
