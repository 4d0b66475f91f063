"""Stage three: may this call go on? All limits that it meets allow it, or none of them is charged."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from tollway.gateway.errors import RequestRejected
from tollway.gateway.limits import Claim, Decision, LimitStore
from tollway.gateway.resilience.shedding import OPEN, Gate, Shed
from tollway.provider import Usage

from .deadline import NEVER, Deadline
from .limit_headers import retry_after
from .quota import Quota, QuotaSet, used_tokens

if TYPE_CHECKING:
    from .authenticate import Caller
    from .endpoint import Endpoint
    from .plan import Plan
    from .record import Record


class Hold(Protocol):
    """What a call holds until it is known what it used."""

    def settle(self, usage: Usage | None, *, answered: bool) -> None:
        """See `Grant.settle`."""


class TokenHold:
    """Tokens that were taken on an estimate."""

    __slots__ = ("_claim", "_store")

    def __init__(self, store: LimitStore, claim: Claim) -> None:
        self._store = store
        self._claim = claim

    def settle(self, usage: Usage | None, *, answered: bool) -> None:
        """Take what was used more, give back what was used less; an unknown use was as estimated."""
        rate, key, estimated = self._claim
        used = used_tokens(usage)
        if used is None:
            used = estimated if answered else 0
        if used != estimated:
            self._store.adjust((Claim(rate, key, used - estimated),))


class Grant:
    r"""What a call was granted. `header_lines` tell the caller of its limits, each ended by `\r\n`.

    `of_request` is held until the request ends, `of_endpoint` as long as this endpoint is asked.
    """

    __slots__ = ("_gate", "_of_endpoint", "_of_request", "_since_s", "header_lines")

    def __init__(
        self,
        header_lines: bytes = b"",
        gate: Gate = OPEN,
        of_request: Sequence[Hold] = (),
        of_endpoint: Sequence[Hold] = (),
    ) -> None:
        self.header_lines = header_lines
        self._gate = gate
        self._since_s = 0.0 if gate is OPEN else perf_counter()
        self._of_request = of_request
        self._of_endpoint = of_endpoint

    def settle(self, usage: Usage | None, *, answered: bool = False) -> None:
        """Charge what the call used, once it is over, however it ended; None when that is not known.

        `answered` says whether a model answered, at least in part: one that did not has used nothing, and
        what was taken on an estimate is given back. A limit on calls has taken its token for good; a place
        among the calls in flight is given back.
        """
        if self._gate is not OPEN:
            self._gate.leave(perf_counter() - self._since_s)
        for hold in self._of_endpoint:
            hold.settle(usage, answered=answered)
        for hold in self._of_request:
            hold.settle(usage, answered=answered)

    def pass_on(self, following: Grant, *, answered: bool) -> Grant:
        """Settle what an endpoint granted that failed, and return the grant of the one that is asked next."""
        following._of_request = self._of_request
        self._of_request = ()
        self.settle(None, answered=answered)
        return following


async def admission(caller: Caller, plan: Plan, record: Record, deadline: Deadline) -> Grant:
    """Charge the limits of the caller, of the route and of the endpoint, and take a place among its calls.

    What is charged is one call, and so many tokens as it may use. Suspends only where a limit is kept on
    another machine, or where there is no place yet.

    Raises:
        RequestRejected: 429, a limit denies it; 503, there is no place.
    """
    endpoint = plan.endpoint
    of_request = caller.quotas + plan.destination.quotas
    if not (of_request or endpoint.quotas):
        if endpoint.gate is not OPEN and not endpoint.gate.enter_nowait():
            await _enter(endpoint, record, deadline)
        return Grant(gate=endpoint.gate)
    met = endpoint.quota_sets.get(of_request) or _meet(of_request, endpoint)
    claims = met.claims or met.claims_of(plan.scope, plan.call)
    decisions = met.store.take_nowait(claims)
    if decisions is None:
        with deadline.expect(NEVER):
            decisions = await met.store.take(claims)
    lines = met.lines.of(decisions)
    for decision in decisions:
        if not decision[0]:
            raise _denied(met, decisions, lines, record)
    if endpoint.gate is not OPEN and not endpoint.gate.enter_nowait():
        try:
            await _enter(endpoint, record, deadline)
        except BaseException:
            met.store.adjust([Claim(rate, key, -tokens) for rate, key, tokens in claims])
            raise
    if not met.has_estimates:
        return Grant(lines, endpoint.gate)
    shared = met.shared
    held = _holds(met.quotas[:shared], claims[:shared])
    return Grant(lines, endpoint.gate, held, _holds(met.quotas[shared:], claims[shared:]))


def _meet(of_request: tuple[Quota, ...], endpoint: Endpoint) -> QuotaSet:
    """Return the limits that calls meet together, for the first call that does."""
    met = QuotaSet(of_request + endpoint.quotas, len(of_request))
    endpoint.quota_sets[of_request] = met
    return met


def _denied(met: QuotaSet, decisions: Sequence[Decision], lines: bytes, record: Record) -> RequestRejected:
    """Return the answer to a call that a limit denies; the longest wait counts."""
    denials = [pair for pair in zip(met.quotas, decisions, strict=True) if not pair[1].allowed]
    quota, decision = max(denials, key=lambda pair: pair[1].wait_us)
    record.denied(quota.name, decision)
    message = (
        f"the limit of {quota.name!r} is reached; the next call is allowed in {decision.wait_us / 1e6:.3g} s"
    )
    lines += retry_after(decision.wait_us)
    return RequestRejected(429, "rate_limit_exceeded", message, header_lines=lines)


def _holds(quotas: Sequence[Quota], claims: Sequence[Claim]) -> list[Hold]:
    """Return what is held of limits on tokens; the others have taken what they take."""
    pairs = zip(quotas, claims, strict=True)
    return [TokenHold(quota.store, claim) for quota, claim in pairs if quota.unit == "tokens"]


async def _enter(endpoint: Endpoint, record: Record, deadline: Deadline) -> None:
    """Wait for a place among the endpoint's calls, as long as the caller and the deadline do."""
    try:
        with deadline.expect(NEVER):
            await endpoint.gate.enter()
    except Shed as shed:
        record.shed(endpoint, shed.reason)
        raise RequestRejected(
            503,
            "too_many_requests_in_flight",
            f"too many calls of {endpoint.name!r} are in flight; try again in {shed.retry_after_s} s",
            header_lines=b"retry-after: %d\r\n" % shed.retry_after_s,
        ) from None


async def admit_next(endpoint: Endpoint, plan: Plan, record: Record, deadline: Deadline) -> Grant | None:
    """Admit a call to another endpoint after one failed; None when a limit denies it or no place is free.

    The limits of the caller and of the route were charged when the call came.
    """
    gate = endpoint.gate
    if not gate.enter_nowait():
        record.shed(endpoint, "fallback")
        return None
    grant = Grant(gate=gate)
    if not endpoint.quotas:
        return grant
    met = endpoint.quota_sets.get(()) or _meet((), endpoint)
    claims = met.claims_of(plan.scope, plan.call)
    try:
        decisions = met.store.take_nowait(claims)
        if decisions is None:
            with deadline.expect(NEVER):
                decisions = await met.store.take(claims)
    except BaseException:
        grant.settle(None)
        raise
    if not all(decision.allowed for decision in decisions):
        _denied(met, decisions, b"", record)
        grant.settle(None)
        return None
    return Grant(b"", gate, (), _holds(met.quotas, claims))
