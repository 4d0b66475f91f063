"""OpenTelemetry's runtime context, by the shortest way, and the names that the API and the engine share.

Nothing here needs the SDK: a library that only decorates its functions imports no more than the API.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, Status, StatusCode, set_span_in_context

from ._private.api import context_variable

__all__ = ["INPUTS", "OUTPUTS", "SPAN_KEY", "attach", "detach", "get_current", "known_status", "with_current"]

_logger = logging.getLogger(__name__)

_CODES = dict(StatusCode.__members__)

INPUTS = "tollway.inputs"
"""The attribute that holds what went into a span, as JSON."""

OUTPUTS = "tollway.outputs"
"""The attribute that holds what came out of a span, as JSON."""

(SPAN_KEY,) = set_span_in_context(INVALID_SPAN, Context())
"""Where a context holds its span."""

get_current: Callable[[], Context]
attach: Callable[[Context], Token[Context]]
detach: Callable[[Token[Context]], None]

# The usual runtime context is one ContextVar: read and set directly, else through the API.
if (_variable := context_variable()) is not None:
    get_current = _variable.get
    attach = _variable.set
    _reset = _variable.reset

    def detach(token: Token[Context]) -> None:
        """Make the context current that was so before; where that cannot be, the API says why."""
        try:
            _reset(token)
        except ValueError:
            otel_context.detach(token)
else:
    get_current = otel_context.get_current
    attach = otel_context.attach
    detach = otel_context.detach


def with_current(span: Span) -> Context:
    """Return the current context with this span in it."""
    return Context(get_current(), **{SPAN_KEY: span})


def known_status(status: object, description: object = None) -> Status | None:
    """Return the status of a code, or of its word; None, with a warning, where there is no such status."""
    code = status if isinstance(status, StatusCode) else _CODES.get(str(status).upper())
    if code is None:
        _logger.warning("a status is one of OK, ERROR, UNSET, not %.100r: ignored", status)
        return None
    if code is not StatusCode.ERROR or description is None:
        return Status(code)
    return Status(code, description if isinstance(description, str) else repr(description))
