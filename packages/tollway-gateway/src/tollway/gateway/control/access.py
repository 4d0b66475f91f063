"""Who may ask the control plane what: the admin everything, callers for their models, anybody for probes."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest

from tollway.gateway.config.values import AdminConfig, AuthConfig
from tollway.gateway.errors import RequestRejected
from tollway.gateway.pipeline.authenticate import ANONYMOUS, Authenticator, Caller, key_of

from .probes import HEALTH, METRICS, READY
from .serving import Serving, answer_of

CALLER = "tollway.caller"
"""Where a scope has who asks."""

_PROBES = frozenset({HEALTH, READY, "*"})

_MODELS = "/v1/models"

_PAGES = "/ui"

_BEARER = b'www-authenticate: Bearer realm="tollway admin"\r\n'

_CHALLENGES = _BEARER + b'www-authenticate: Basic realm="tollway admin", charset="UTF-8"\r\n'
"""A browser asks its user for the second: any name, and the admin key as the password."""

Headers = Iterable[tuple[bytes, bytes]]


class Access:
    """Checks requests of the control plane."""

    def __init__(self, auth: AuthConfig, admin: AdminConfig | None, authenticator: Authenticator) -> None:
        self._port = None if admin is None else admin.port
        self._authenticator = authenticator
        self._is_open = not auth.keys and auth.admin_digest is None
        self._public = _PROBES | {METRICS} if auth.public_metrics else _PROBES
        self._admin = None if auth.admin_digest is None else bytes.fromhex(auth.admin_digest)

    def is_hidden(self, path: str, server: tuple[str, int | None] | None) -> bool:
        """Say whether there is nothing at a path for who came by this address and port of ours."""
        if self._port is None or (server is not None and server[1] == self._port):
            return False
        return not (path in _PROBES or is_of_callers(path))

    def caller(self, path: str, headers: Headers) -> Caller:
        """Return who asks; the admin is nobody in particular. Raises RequestRejected, a 401."""
        if self._is_open or path in self._public or _is_page(path):
            return ANONYMOUS
        if self._admin is not None and _is_admin(headers, self._admin):
            return ANONYMOUS
        if is_of_callers(path):
            return self._authenticator.authenticate(headers)
        message = (
            "the admin key is needed, as 'Authorization: Bearer KEY'"
            if self._admin is not None
            else "only an admin may ask this, and there is no admin key: set auth.admin_key"
        )
        # The pages ask for the key themselves: by the second challenge the browser would ask before them.
        challenges = _BEARER if path.startswith(f"{_PAGES}/") else _CHALLENGES
        raise RequestRejected(401, "admin_key_required", message, header_lines=challenges)


def is_of_callers(path: str) -> bool:
    """Say whether callers of models may ask this of the control plane: which models there are."""
    return path == _MODELS or path.startswith(f"{_MODELS}/")


def _is_page(path: str) -> bool:
    """Say whether it is a file of the front end, which is the same everywhere; its data is below `api/`."""
    folder, _, name = path.rpartition("/")
    return path == _PAGES or (folder == _PAGES and name != "api")


def access_of(serving: Serving) -> Access:
    """Return what checks requests by the configuration that serves."""
    return answer_of(
        serving, "access", lambda config: Access(config.auth, config.server.admin, serving.authenticator)
    )


def _is_admin(headers: Headers, digest: bytes) -> bool:
    key = key_of(headers) or _password(headers)
    return key is not None and compare_digest(sha256(key).digest(), digest)


def _password(headers: Headers) -> bytes | None:
    """Return the password of `Authorization: Basic` (RFC 7617)."""
    for name, value in headers:
        scheme, _, credentials = value.partition(b" ")
        if name == b"authorization" and scheme.lower() == b"basic":
            try:
                return b64decode(credentials.strip(), validate=True).partition(b":")[2]
            except binascii.Error:
                return None
    return None
