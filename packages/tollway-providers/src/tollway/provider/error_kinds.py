"""Error kinds: what may follow a failed attempt, in one table.

kind             same model again  another model  caller may repeat  typical
RETRYABLE        yes               yes            yes                429, 503, connection refused
SILENT           no                yes            yes                no first byte in time
CONTEXT_LENGTH   no                yes            no                 the prompt is too long for this model
QUOTA_EXHAUSTED  no                yes            no                 `insufficient_quota`, 402
CONTENT_FILTER   no                no             no                 a content policy refuses the request
NEVER            no                no             no                 400, 401, 403, 404, 413, 422
"""

from __future__ import annotations

from enum import Enum


class ErrorKind(Enum):
    """What may follow an error; the table is at the top of this file."""

    RETRYABLE = "retryable", True, True, True
    SILENT = "silent", False, True, True
    CONTEXT_LENGTH = "context_length_exceeded", False, True, False
    QUOTA_EXHAUSTED = "quota_exhausted", False, True, False
    CONTENT_FILTER = "content_filter", False, False, False
    NEVER = "never", False, False, False

    label: str
    """Its name in metrics and span events."""

    may_retry: bool
    """Whether the same model may be asked again."""

    may_fall_back: bool
    """Whether another model may be asked in its place."""

    caller_may_repeat: bool
    """Whether the caller may send the request again; if not, the answer carries `x-should-retry: false`."""

    def __init__(self, label: str, may_retry: bool, may_fall_back: bool, caller_may_repeat: bool) -> None:
        self.label = label
        self.may_retry = may_retry
        self.may_fall_back = may_fall_back
        self.caller_may_repeat = caller_may_repeat


RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which the same request may succeed; any other status of 520 and above too (Cloudflare's)."""

_PAYMENT_REQUIRED = 402


def kind_of_status(status: int) -> ErrorKind:
    """Return the kind of an error of which only its HTTP status is known."""
    if status in RETRYABLE_STATUSES or 520 <= status < 600:
        return ErrorKind.RETRYABLE
    return ErrorKind.QUOTA_EXHAUSTED if status == _PAYMENT_REQUIRED else ErrorKind.NEVER
