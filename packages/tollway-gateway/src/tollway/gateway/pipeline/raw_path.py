"""The name and the path in the target of a request that passes raw; the path never leaves the base URL."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import quote, unquote

from tollway.gateway.apis.passthrough import RawForm
from tollway.gateway.errors import RequestRejected

_PATH_SIGNS = "/%~!$&'()*+,;=:@"
_QUERY_SIGNS = _PATH_SIGNS + "?"
"""RFC 3986, sections 3.3 and 3.4, and the sign of escapes: they have been written already."""

_SEPARATOR = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_MAX_CODINGS = 4
"""How often a path may be percent-encoded: services decode once, some twice."""


def split_target(raw_path: bytes, form: RawForm, names: Container[str], deepest: int) -> tuple[str, str]:
    """Return which of the `names` a path names, and the rest of the path; the longest name counts.

    No name has more than `deepest` slashes.

    Raises:
        RequestRejected: 404, it names nothing; 400, its path is not one below a base URL.
    """
    segments = raw_path.decode("latin-1").split("/")[1:]
    start = len(form.prefix)
    rest = segments[start:]
    if [unquote(one) for one in segments[:start]] == list(form.prefix):
        for count in range(min(len(rest), deepest + 1), 0, -1):
            name, colon, method = unquote("/".join(rest[:count])), "", ""
            if form.is_model:
                name, colon, method = name.rpartition(":")
            if name in names and bool(colon) is form.is_model:
                path = "/".join(["", *rest[count:]])
                check_path(method + path)
                return name, method + quote(path, safe=_PATH_SIGNS)
    raise RequestRejected(404, "endpoint_not_found", "the path names no endpoint or route")


def check_path(path: str) -> None:
    """Refuse a path that some server may take for one outside of the base URL, however it decodes it.

    Raises RequestRejected (400).
    """
    for _ in range(_MAX_CODINGS):
        if _CONTROL.search(path):
            raise _refusal("a control character")
        if "//" in path or "\\\\" in path:
            raise _refusal("an empty segment")
        if any(one.partition(";")[0].strip() in (".", "..") for one in _SEPARATOR.split(path)):
            raise _refusal("a dot segment")
        path, before = unquote(path, errors="replace"), path
        if path == before:
            return
    raise _refusal("too many levels of percent-encoding")


def query_of(query_string: bytes) -> str:
    """Return a query as it is put behind a path: a question mark and what came; empty if there is none."""
    query = quote(query_string.decode("latin-1"), safe=_QUERY_SIGNS, encoding="latin-1")
    return f"?{query}" if query else ""


def _refusal(what: str) -> RequestRejected:
    return RequestRejected(400, "invalid_path", f"the path below the base URL has {what} in it")
