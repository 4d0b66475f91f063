"""The end of processors: all of them within one time, however far one of them is behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from opentelemetry.sdk.trace import SpanProcessor

from ._worker import Clock

_logger = logging.getLogger(__name__)


@runtime_checkable
class Bounded(Protocol):
    """A processor whose end can begin beside that of others, and takes no longer than it may."""

    def begin_shutdown(self) -> None:
        """Take no more spans, and begin with what is left to do."""

    def shutdown(self, timeout_millis: int = ...) -> None:
        """Wait for the rest, at most so long."""


def is_bounded(processor: SpanProcessor) -> bool:
    """Return whether a processor is one of ours."""
    return isinstance(processor, Bounded)


def shut_down(
    processors: Iterable[SpanProcessor], timeout_s: float, *, clock: Clock = time.monotonic
) -> None:
    """Shut processors down: ours side by side within the time, then others, which know no limit.

    What raises is logged, and the others are shut down all the same.
    """
    deadline_s = clock() + timeout_s
    ordered = sorted(processors, key=lambda processor: not isinstance(processor, Bounded))
    for processor in ordered:
        if isinstance(processor, Bounded):
            processor.begin_shutdown()
    for processor in ordered:
        try:
            if isinstance(processor, Bounded):
                processor.shutdown(round(max(0.0, deadline_s - clock()) * 1000))
            else:
                processor.shutdown()
        except Exception:
            _logger.exception("%s could not be shut down", type(processor).__name__)
