"""The field `model` of a form (RFC 7578), found and replaced; every other byte stays as it came."""

from __future__ import annotations

import re
from typing import NamedTuple

from tollway.gateway.apis.checks import MODEL, missing
from tollway.gateway.errors import RequestRejected

_BOUNDARY = re.compile(rb';\s*boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_NAME = re.compile(rb';\s*name=(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE)
_MAX_PARTS = 1000
_MAX_HEAD_BYTES = 16 * 1024


class ModelField(NamedTuple):
    """The field of a form, and where its value stands in it."""

    text: str
    body: bytes
    start: int
    end: int

    def written_for(self, model: str) -> bytes:
        """Return the form made out to a model."""
        return b"".join((self.body[: self.start], model.encode(), self.body[self.end :]))


def model_in(body: bytes, content_type: bytes) -> ModelField:
    """Return the field `model` of a form.

    Raises:
        RequestRejected: 400, there is none, or two, or it is no form.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _broken("its content-type names no boundary")
    delimiter = b"--" + (boundary[1] or boundary[2])
    found: list[ModelField] = []
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter) + 2
    for _ in range(_MAX_PARTS):
        start = at + len(delimiter)
        if body.startswith(b"--", start):
            break
        end = body.find(b"\r\n" + delimiter, start)
        head_end = body.find(b"\r\n\r\n", start, start + _MAX_HEAD_BYTES)
        if end < 0 or not 0 <= head_end <= end or not body.startswith(delimiter, at):
            raise _broken("a part of it has no end")
        if _name_of(body[start:head_end]) == MODEL.encode():
            value = body[head_end + 4 : end].decode("utf-8", "replace")
            found.append(ModelField(value, body, head_end + 4, end))
        at = end + 2
    else:
        raise _broken(f"it has more than {_MAX_PARTS} parts")
    if len(found) > 1:
        raise RequestRejected(400, "duplicate_key", f"{MODEL!r} stands there twice", param=MODEL)
    if not found:
        raise missing(MODEL, "the name of an endpoint or a route")
    return found[0]


def _name_of(head: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            found = _NAME.search(value)
            return b"" if found is None else found[1] or found[2] or b""
    return b""


def _broken(why: str) -> RequestRejected:
    return RequestRejected(400, "invalid_form", f"the body is not a form (multipart/form-data): {why}")
