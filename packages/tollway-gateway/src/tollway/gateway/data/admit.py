"""Stage three: may this call go on. One token of the endpoint's bucket, whatever path led to it."""

from __future__ import annotations

from tollway.gateway.limits import Decision

from .record import Record
from .refusal import Refusal
from .route import Endpoint

Headers = tuple[tuple[bytes, bytes], ...]


def admit(endpoint: Endpoint, record: Record) -> Headers:
    """Take a token, and return what the answer tells of the limit; refuse with 429 when there is none."""
    decision, headers = endpoint.limiter.admit()
    if decision is None or decision.allowed:
        return headers
    record.denied(decision)
    raise _denied(endpoint.name, decision, headers)


def _denied(name: str, decision: Decision, headers: Headers) -> Refusal:
    wait_s = decision.wait_ns / 1e9
    message = f"the limit of {name!r} is reached; the next call is allowed in {wait_s:.3g} s"
    return Refusal(429, "rate_limit_exceeded", message, headers=headers)
