"""Bodies that callers send compressed: coding agents do (RFC 9110 section 8.4)."""

from __future__ import annotations

from tollway.gateway.errors import RequestRejected, overloaded, too_large
from tollway.gateway.guard.content_coding import CODINGS, CodingError, coding_of, decoded
from tollway.gateway.guard.memory import Hold

_ACCEPTED = f"accept-encoding: {', '.join(CODINGS)}\r\n".encode()
"""RFC 9110 section 12.5.3: with a 415 it says what may be sent."""


def decompress(body: bytes, content_encoding: bytes, max_bytes: int, hold: Hold) -> bytes:
    """Return what a body stands for, at most `max_bytes`; no more than that is ever held.

    Raises:
        RequestRejected: 415 for a coding that is not known, 400 where the body is not in it, 413 where it is
            too large, 503 where no memory is left for it.
    """
    try:
        coding = coding_of(content_encoding)
    except CodingError as error:
        message = f"unknown content coding {str(error)[:40]!r}: use one of {', '.join(CODINGS)}"
        raise RequestRejected(415, "unsupported_content_encoding", message, header_lines=_ACCEPTED) from None
    if coding is None:
        return body
    whole = bytearray()
    try:
        for piece in decoded(body, coding):
            whole += piece
            if len(whole) > max_bytes:
                raise too_large(max_bytes)
            if not hold.grow_to(len(body) + len(whole)):
                raise overloaded()
    except CodingError as error:
        raise RequestRejected(400, "invalid_content_encoding", f"the {coding} body {error}") from None
    return bytes(whole)
