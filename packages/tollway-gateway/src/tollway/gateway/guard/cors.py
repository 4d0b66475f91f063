"""Web pages that may call the gateway after all: those of the origins that `server.cors` names.

By the CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol), for requests without cookies: the
gateway knows none, and callers send their keys in headers.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from .origin_check import FOREIGN_HOST, Headers, Objection, OriginCheck, Permission

_METHODS = b"GET, HEAD, POST"

_HEADER_NAMES = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z, \t]{1,4096}")


class CrossOriginCheck(OriginCheck):
    """An `OriginCheck` that lets pages of some origins in.

    `origins` are `https://app.example`, `https://*.app.example` for all below a name, `*` for every page.
    """

    def __init__(
        self,
        origins: Collection[str],
        *,
        max_age_s: float,
        allowed_hosts: Collection[str] = (),
        is_local: bool,
    ) -> None:
        super().__init__(allowed_hosts, is_local=is_local)
        self._any = "*" in origins
        self._origins = {origin.encode() for origin in origins if "*" not in origin}
        patterns = (re.escape(origin).replace(r"\*", r"[a-z0-9.\-]+") for origin in origins if origin != "*")
        self._patterns = re.compile("|".join(patterns).encode() or b"(?!)")
        self._max_age = b"access-control-max-age: %d\r\n" % max_age_s

    def verdict(self, method: str, headers: Headers) -> Objection | Permission | None:
        """See `OriginCheck.verdict`; a permission for a page of one of the origins."""
        objection = super().verdict(method, headers)
        if isinstance(objection, Permission) or (objection and objection.code == FOREIGN_HOST):
            return objection
        origins = [value for name, value in headers if name == b"origin"]
        if len(origins) != 1 or not self._knows_origin(origins[0]):
            return objection
        asked = {name: value for name, value in headers if name.startswith(b"access-control-request-")}
        is_preflight = method == "OPTIONS" and b"access-control-request-method" in asked
        lines = b"access-control-allow-origin: %b\r\nvary: origin\r\n" % (b"*" if self._any else origins[0])
        if not is_preflight:
            return Permission(lines + b"access-control-expose-headers: *\r\n", False, objection)
        lines += b"access-control-allow-methods: %b\r\n%b" % (_METHODS, self._max_age)
        names = asked.get(b"access-control-request-headers", b"")
        if _HEADER_NAMES.fullmatch(names):
            lines += b"access-control-allow-headers: %b\r\n" % names
        if asked.get(b"access-control-request-private-network") == b"true":
            lines += b"access-control-allow-private-network: true\r\n"
        return Permission(lines, True, objection)

    def _knows_origin(self, origin: bytes) -> bool:
        return self._any or origin in self._origins or bool(self._patterns.fullmatch(origin))
