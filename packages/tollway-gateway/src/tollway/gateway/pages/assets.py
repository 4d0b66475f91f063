"""The files of the front end, as the package has them: read once, sent with an ETag and a strict policy."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "object-src 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, in nobody's frame; pictures may be in the traces themselves."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""Of every answer below `/ui/`."""

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file as it is sent."""

    body: bytes
    content_type: str
    etag: str


@cache
def assets() -> dict[str, Asset]:
    """Return the files by their names."""
    folder = files(__package__).joinpath("static")
    return {
        one.name: _asset(one.read_bytes(), content_type)
        for one in folder.iterdir()
        if (content_type := _TYPES.get(f".{one.name.rpartition('.')[2]}")) is not None
    }


def _asset(body: bytes, content_type: str) -> Asset:
    return Asset(body, content_type, f'"{sha256(body).hexdigest()[:20]}"')
