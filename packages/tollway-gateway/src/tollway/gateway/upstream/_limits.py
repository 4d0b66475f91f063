"""How large an answer may be."""

from __future__ import annotations

from tollway.provider import ResponseError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Bytes of a whole answer, where the configuration does not say otherwise."""

MAX_ERROR_BYTES = 256 * 1024
"""Bytes of the body of an answer that is no success; what follows is not read."""


def too_large(max_bytes: int) -> ResponseError:
    """Return the error of a whole answer that has more bytes than it may."""
    return ResponseError(
        f"the model's answer is larger than {max_bytes} bytes, the gateway's server.max_answer_bytes",
        code="upstream_response_too_large",
    )
