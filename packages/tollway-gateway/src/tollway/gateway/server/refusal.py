"""What is answered to a request that never becomes an exchange: its head is broken, too large or too slow."""

from __future__ import annotations

import contextlib

from tollway.gateway.apis import shape_of
from tollway.gateway.errors import Failure, RequestRejected
from tollway.gateway.pipeline.malformed import MalformedRequest

from .exchange_core import CLOSE, STATUS_LINE
from .head import MAX_HEAD_BYTES, RequestHead

_ANSWER = b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"


def head_so_far(waiting: bytearray) -> RequestHead:
    """Return what can be known of a head that is not complete."""
    head = RequestHead()
    line, found, _ = bytes(waiting[:MAX_HEAD_BYTES]).partition(b"\r\n")
    if found:
        with contextlib.suppress(RequestRejected):
            head.read_request_line(line + found)
    return head


def refusal_of(
    head: RequestHead, failure: Failure, client: str | None, took_s: float, default_lines: bytes
) -> tuple[MalformedRequest, bytes]:
    """Return what those who count and log are told, and the answer as it is written."""
    path = head.target.partition(b"?")[0].decode("latin-1")
    body = b"" if head.method == "HEAD" else shape_of(path)(failure)
    request = MalformedRequest(
        client,
        head.method or None,
        path or None,
        failure.status,
        failure.code,
        failure.message,
        took_s,
        len(body),
    )
    lines = default_lines + failure.header_lines
    return request, _ANSWER % (STATUS_LINE[failure.status], lines, len(body), CLOSE, body)


def too_large(head: RequestHead) -> RequestRejected:
    """Return why a head that is longer than it may be is refused."""
    if head.target:
        message = f"the header is longer than {MAX_HEAD_BYTES} bytes"
        return RequestRejected(431, "head_too_large", message)
    message = f"the request line is longer than {MAX_HEAD_BYTES} bytes"
    return RequestRejected(414, "target_too_long", message)


def too_slow(_: RequestHead | None = None) -> RequestRejected:
    """Return why a request that does not come to its end is refused."""
    return RequestRejected(408, "request_timeout", "the request did not come to its end in time")


def overloaded(_: RequestHead) -> RequestRejected:
    """Return why a head is refused for which there is no memory."""
    message = "callers have sent more than server.max_buffered_bytes allows to hold; ask again"
    return RequestRejected(503, "gateway_overloaded", message, header_lines=b"retry-after: 1\r\n")
