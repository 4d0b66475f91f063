"""Stage three: may this call go on. One token of the endpoint's bucket, whatever path led to it."""

from __future__ import annotations

from tollway.gateway.limits import Decision

from .lines import pairs_of
from .record import Record
from .refusal import Refusal
from .route import Endpoint


def admit(endpoint: Endpoint, record: Record) -> bytes:
    """Take a token, and return what the answer tells of the limit; refuse with 429 when there is none."""
    decision, lines = endpoint.limiter.admit()
    if decision is None or decision.allowed:
        return lines
    record.denied(decision)
    raise _denied(endpoint.name, decision, lines)


def _denied(name: str, decision: Decision, lines: bytes) -> Refusal:
    wait_s = decision.wait_ns / 1e9
    message = f"the limit of {name!r} is reached; the next call is allowed in {wait_s:.3g} s"
    return Refusal(429, "rate_limit_exceeded", message, headers=tuple(pairs_of(lines)))
