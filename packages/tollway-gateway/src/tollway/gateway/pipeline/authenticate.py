"""The stage before the body is read: who asks, and what may it use.

`Authorization: Bearer` (RFC 6750), `x-api-key` (Anthropic's clients) and `api-key` (Azure's) carry a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Protocol

from tollway.gateway.errors import RequestRejected

from .quota import Quota

if TYPE_CHECKING:
    from tollway.gateway.budgets.budget import Budget

Headers = Iterable[tuple[bytes, bytes]]

_AUTHENTICATE = b'www-authenticate: Bearer realm="tollway"\r\n'
_INVALID = b'www-authenticate: Bearer realm="tollway", error="invalid_token"\r\n'
"""RFC 6750, section 3: no error code for a request that has no key at all."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `name` is that of its key, for telemetry; None where nobody has to say who it is.

    `endpoints` are the endpoints and routes that it may name, None for all; `expires_s` is Unix time.
    """

    name: str | None = None
    endpoints: frozenset[str] | None = None
    quotas: tuple[Quota, ...] = ()
    budgets: tuple[Budget, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    expires_s: float | None = None

    def may_use(self, name: str) -> bool:
        """Say whether it may name this endpoint or route."""
        return self.endpoints is None or name in self.endpoints

    def check(self, name: str) -> None:
        """Raise RequestRejected, a 403, for an endpoint or a route that it may not name."""
        if self.endpoints is not None and name not in self.endpoints:
            allowed = ", ".join(sorted(self.endpoints)) or "none"
            raise RequestRejected(
                403,
                "endpoint_not_allowed",
                f"the key {self.name!r} may not use {name[:100]!r}; it may use: {allowed}",
            )


ANONYMOUS = Caller()
"""Every caller of a gateway that has no keys."""


_NOBODY = (bytes(32), ANONYMOUS)
_PREFIX = 8


class Authenticator(Protocol):
    """Finds callers."""

    callers: Sequence[Caller]
    """Those that have keys."""

    def authenticate(self, headers: Headers) -> Caller:
        """Return who asks. Raises RequestRejected, a 401."""


class _NoAuth:
    """Lets everybody in."""

    callers: Sequence[Caller] = ()

    def authenticate(self, headers: Headers) -> Caller:
        """See `Authenticator.authenticate`."""
        return ANONYMOUS


NO_AUTH: Authenticator = _NoAuth()


class Keyring:
    """Callers by the SHA-256 digest of their key; `now_s` gives Unix time in seconds."""

    def __init__(self, callers: Mapping[bytes, Caller], now_s: Callable[[], float]) -> None:
        self.callers: Sequence[Caller] = tuple(callers.values())
        self._callers: dict[bytes, tuple[bytes, Caller]] = {}
        """By the beginning of the digest; the rest is compared in a time that tells nothing of it."""
        for digest, caller in callers.items():
            if self._callers.setdefault(digest[:_PREFIX], (digest, caller))[0] != digest:
                raise ValueError(f"the key {caller.name!r} cannot be told from another one: make a new key")
        self._now_s = now_s

    def authenticate(self, headers: Headers) -> Caller:
        """See `Authenticator.authenticate`."""
        key = key_of(headers)
        if key is None:
            message = "a key is needed: send it as 'Authorization: Bearer KEY', 'x-api-key' or 'api-key'"
            raise RequestRejected(401, "missing_api_key", message, header_lines=_AUTHENTICATE)
        digest = sha256(key).digest()
        known, caller = self._callers.get(digest[:_PREFIX], _NOBODY)
        if not compare_digest(digest, known):
            raise RequestRejected(401, "invalid_api_key", "there is no such key", header_lines=_INVALID)
        if caller.expires_s is not None and self._now_s() >= caller.expires_s:
            message = f"the key {caller.name!r} has expired"
            raise RequestRejected(401, "expired_api_key", message, header_lines=_INVALID)
        return caller


def key_of(headers: Headers) -> bytes | None:
    """Return the key that a request carries, None if there is none; `Authorization` goes first."""
    found = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"bearer" and (key := key.strip()):
                return key
        elif name in (b"x-api-key", b"api-key") and found is None:
            found = value.strip() or None
    return found
