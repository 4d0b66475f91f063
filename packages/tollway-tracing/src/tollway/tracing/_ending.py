"""The end of processors: all of them within one time, however far one of them is behind."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
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


RETIRE_WAIT_S = 0.5
"""How long a new setup waits for the processors that it replaces; the rest goes on beside the program."""


def retire(processors: Iterable[SpanProcessor], timeout_s: float) -> None:
    """Shut processors down that are replaced, without holding up their program.

    What hangs goes on in a thread of its own, for which the end of the program waits within the time.
    """
    retired = list(processors)
    if not retired:
        return
    thread = threading.Thread(target=shut_down, args=(retired, timeout_s), name="tollway-retire", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no threads to be had: the interpreter ends
        shut_down(retired, timeout_s)
        return
    thread.join(RETIRE_WAIT_S)
    if thread.is_alive():
        atexit.register(thread.join, timeout_s)


class Ended(Protocol):
    """A provider that can be shut down."""

    def shutdown(self) -> None:
        """See OpenTelemetry's `TracerProvider.shutdown`."""


def end_with_process(provider: Ended) -> None:
    """Have `multiprocessing` shut a provider down at the end of one of its processes: it ends them by
    `os._exit`, past `atexit`. Elsewhere nothing happens.

    https://docs.python.org/3/library/multiprocessing.html
    """
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return
    # In a child that was just forked, `multiprocessing` forgets all finalizers, and then calls this.
    util.register_after_fork(provider, _finalize)
    if sys.modules["multiprocessing.process"].parent_process() is not None:
        _finalize(provider)


def _finalize(provider: Ended) -> None:
    sys.modules["multiprocessing.util"].Finalize(provider, provider.shutdown, exitpriority=_LAST)


_LAST = -100
"""After the finalizers of others, whose spans count too."""
