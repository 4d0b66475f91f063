"""Times that callers give: Unix nanoseconds, and what is often given in their place."""

from __future__ import annotations

import logging
import math
import operator
from datetime import UTC, datetime
from typing import Any, Protocol

_logger = logging.getLogger(__name__)

_UNITS = ((1e11, 1_000_000_000), (1e14, 1_000_000), (1e17, 1_000))
"""Below which number a time with a fraction counts seconds, milliseconds or microseconds: each reaches from
1973 to 5138.
"""

_MAX_NS = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HasNow(Protocol):
    """What knows the time, such as a local trace."""

    def now_ns(self) -> int:
        """Return now, in Unix nanoseconds."""


def unix_ns(value: object, clock: HasNow) -> int:
    """Return a time as Unix nanoseconds; now, with a warning, where it is not a time.

    Integers are nanoseconds, as the API has it. A `datetime` (naive: local time) and a float, which is what
    `time.time()` gives, are converted.
    """
    if type(value) is int and 0 <= value <= _MAX_NS:
        return value
    try:
        found = _converted(value)
    except (TypeError, ValueError, OverflowError, OSError):
        found = -1
    if 0 <= found <= _MAX_NS:
        return found
    _logger.warning("%.100r is not a time in Unix nanoseconds: the time of now is used", value)
    return clock.now_ns()


def _converted(value: Any) -> int:
    if isinstance(value, datetime):
        passed = value.astimezone(UTC) - _EPOCH
        return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1_000
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError
        unit = next((ns for below, ns in _UNITS if abs(value) < below), 1)
        return round(value * unit)
    return operator.index(value)
