"""A limit of the config, wired: which bucket a call takes from, and how many tokens of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any

from tollway.gateway.apis import APICall
from tollway.gateway.config.values import LimitConfig
from tollway.gateway.limits import Claim, LimitStore, Rate
from tollway.provider import Usage

from .limit_headers import LimitLines

Scope = Mapping[str, Any]

_BYTES_PER_TOKEN = 4
"""Of English text: https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them."""

_ANSWER_TOKENS = 256
"""What an answer is taken for when the call does not bound it."""

_MOST_TOKENS = 2**52
"""No call uses more, whatever a model says."""


class Quota:
    """One bucket for all callers, or one for each value of what the limit goes by (its `key`).

    `unit` is what is counted: `requests` or `tokens`. `name` stands in headers, messages and metrics.
    """

    __slots__ = ("_bucket", "name", "rate", "store", "unit", "value_of", "whole")

    def __init__(
        self,
        name: str,
        rate: Rate,
        store: LimitStore,
        *,
        unit: str = "requests",
        value_of: Callable[[Scope], bytes] | None = None,
    ) -> None:
        self.name = name
        self.rate = rate
        self.unit = unit
        self.store = store
        self.value_of = value_of
        identity = f"{name} {unit} {rate.calls} {rate.period_us} {rate.burst}"
        self._bucket = hashlib.blake2b(identity.encode(), digest_size=16)
        self.whole = Claim(rate, self._bucket.digest(), 1)
        if value_of is None:
            store.reserve(rate, self.whole.key)

    def claim(self, scope: Scope, call: APICall) -> Claim:
        """Return what a call takes."""
        if self.unit == "requests":
            return self.whole if self.value_of is None else Claim(self.rate, self._key(scope), 1)
        key = self.whole.key if self.value_of is None else self._key(scope)
        return Claim(self.rate, key, min(estimated_tokens(call), self.rate.burst))

    def _key(self, scope: Scope) -> bytes:
        assert self.value_of is not None
        digest = self._bucket.copy()
        digest.update(b"\n" + self.value_of(scope))
        return digest.digest()


class QuotaSet:
    """The limits that a call meets together: the first `shared` are its caller's and its route's.

    `claims` are what every call takes where all of them are limits on calls with one bucket, else None.
    """

    __slots__ = ("claims", "has_estimates", "lines", "quotas", "shared", "store")

    def __init__(self, quotas: Sequence[Quota], shared: int) -> None:
        self.quotas = quotas
        self.shared = shared
        self.store = quotas[0].store
        self.lines = LimitLines(quotas)
        self.has_estimates = any(quota.unit == "tokens" for quota in quotas)
        is_plain = not self.has_estimates and all(quota.value_of is None for quota in quotas)
        self.claims = [quota.whole for quota in quotas] if is_plain else None

    def claims_of(self, scope: Scope, call: APICall) -> list[Claim]:
        """Return what a call takes."""
        return self.claims or [quota.claim(scope, call) for quota in self.quotas]


def quotas_of(name: str, kind: str, limits: Iterable[LimitConfig], store: LimitStore) -> tuple[Quota, ...]:
    """Wire the limits of one endpoint, route or key; `kind` tells namesakes apart."""
    found: list[Quota] = []
    for limit in limits:
        value_of = _value_of(limit.key)
        for unit, calls, burst in (
            ("requests", limit.calls, limit.burst),
            ("tokens", limit.tokens, limit.tokens),
        ):
            if calls is not None:
                shown = f"{kind}:{name}" if kind else name
                shown += f"-{len(found) + 1}" if found else ""
                rate = Rate.per_period(calls, limit.renewal_period_s, burst)
                found.append(Quota(shown, rate, store, unit=unit, value_of=value_of))
    return tuple(found)


def estimated_tokens(call: APICall) -> int:
    """Return how many tokens a call may use, input and output together."""
    return max(1, sum(estimated_parts(call)))


def estimated_parts(call: APICall) -> tuple[int, int]:
    """Return how many tokens a call may use: its body's at four bytes each, and the longest answer."""
    most, answers = call.api.bounds(call.payload)
    return len(call.body) // _BYTES_PER_TOKEN, (_ANSWER_TOKENS if most is None else most) * answers


def used_tokens(usage: Usage | None) -> int | None:
    """Return how many tokens a call used; None when that is not known."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    return min((usage.input_tokens or 0) + (usage.output_tokens or 0), _MOST_TOKENS)


def _value_of(key: str) -> Callable[[Scope], bytes] | None:
    if key == "endpoint":
        return None
    if key == "client":
        return _client
    name = key.removeprefix("header:").encode()
    return lambda scope: b"\n".join(value for one, value in scope["headers"] if one == name)


def _client(scope: Scope) -> bytes:
    client = scope.get("client")
    return _network(client[0]) if client else b""


@lru_cache(maxsize=4096)
def _network(address: str) -> bytes:
    """Return who a client is: an IPv6 address counts by its /64, of which each client has all."""
    if ":" not in address:
        return address.encode()
    packed = IPv6Address(address.partition("%")[0])
    mapped = packed.ipv4_mapped
    return packed.packed[:8] if mapped is None else str(mapped).encode()
