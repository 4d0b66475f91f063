"""A bounded queue of ended spans and the one thread that empties it.

`put` is what a caller pays: a length check and a deque append, no lock. A wake-up cannot be lost, because the
thread also wakes by itself every interval. Who waits for a flush holds a ticket: the thread writes down the
highest ticket it saw *before* it emptied the queue, so everything put before the flush is covered.

A sink that works in Python holds the interpreter while it does, and an event loop beside it stands still.
Such a sink has a `Pace`: what has gathered in the queue is handed over in small steps, with pauses between.
"""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

_logger = logging.getLogger(__name__)

_WAKE_AT_SPANS = 2_048
"""Queued spans that wake the thread early: an export's worth. More of them only keep the garbage collector
busy.
"""

SHUTDOWN_S = 5.0
"""How long a shutdown waits for a thread that is behind: one that hangs must not keep a program alive."""

Clock = Callable[[], float]
"""Monotonic seconds."""

Wait = Callable[[threading.Event, float], bool]
"""Waits for an event at most so many seconds; tests pass one that does not wait."""


def wait_for(event: threading.Event, timeout_s: float) -> bool:
    """Wait as `threading.Event.wait` does: the real `Wait`."""
    return event.wait(timeout_s)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the spans of a round, those that are queued when it begins, are handed over."""

    min_spans: int
    """Of a step: fewer are not worth waking up for."""
    max_spans: int
    """Of a step: it is what the program may have to wait for."""
    busy_spans: int
    """A round of so many, or more, has the largest steps: a program that has ended these in one interval
    waits for itself anyway. Half of it gives steps of a quarter: fewer spans come from a program that idles
    in between, and would notice.
    """
    over_s: float
    """The pauses of a round are so long together: the more steps it has, the shorter they are."""
    max_pause_s: float
    """A flush waits for the end of a pause."""

    def of(self, queued: int) -> tuple[int, float]:
        """Return the spans of a step and the pause after it, in a round that begins with so many spans."""
        growing = self.max_spans * queued**2 // self.busy_spans**2
        step = min(max(growing, self.min_spans), self.max_spans)
        return step, min(self.max_pause_s, self.over_s * step / max(1, queued))


AT_ONCE = Pace(min_spans=2**63, max_spans=2**63, busy_spans=1, over_s=0, max_pause_s=0)
"""A round of one step."""


class Sink(Protocol):
    """What the thread feeds. Only that thread calls it."""

    def consume(self, spans: list[Any], *, flush: bool) -> bool:
        """Take spans; with `flush`, finish all that is held. False: not finished.

        A round ends with a call that has no spans, or with a flush.
        """
        ...

    @property
    def held_spans(self) -> int:
        """Spans that `consume` took and has not done with."""
        ...

    def stop(self) -> None:
        """Begin nothing more; called by another thread, also while `consume` runs."""
        ...

    def close(self) -> None:
        """Give back what the sink holds open."""
        ...

    def after_fork(self) -> None:
        """Forget what belongs to the parent process."""
        ...


class SpanWorker:
    """Carries spans from `put` to a sink on a thread of its own, started with the first span."""

    def __init__(
        self,
        sink: Sink,
        *,
        name: str,
        max_queue_spans: int,
        interval_s: float,
        pace: Pace = AT_ONCE,
        clock: Clock = time.monotonic,
        wait: Wait = wait_for,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if max_queue_spans < 1 or interval_s <= 0:
            raise ValueError("max_queue_spans and interval_s must be positive")
        self._sink = sink
        self._name = name
        self._max_queue_spans = max_queue_spans
        self._wake_at = min(_WAKE_AT_SPANS, max(1, max_queue_spans // 4))
        self._interval_s = interval_s
        self._pace = pace
        self._clock = clock
        self._wait = wait
        self._sleep = sleep
        self._fresh()
        os.register_at_fork(after_in_child=_weak_call(self))

    def _fresh(self) -> None:
        self._queue: deque[Any] = deque()
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked = 0
        self._done = 0
        self._succeeded = True
        self._closed = False
        self._ended = False
        self.dropped = 0

    def after_fork(self) -> None:
        """Start clean in a child: the parent writes its own spans, and its thread is not here."""
        closed = self._closed
        self._fresh()
        self._closed = closed
        self._sink.after_fork()

    @property
    def left(self) -> int:
        """Spans that a shutdown left behind: its time was over, or the sink could not do with them.

        A thread that is left behind too may yet finish what it is at.
        """
        return self.queued + self._sink.held_spans if self._ended else 0

    @property
    def queued(self) -> int:
        """Spans waiting for the thread."""
        return len(self._queue)

    def put(self, span: Any) -> None:
        """Queue a span, or count it as dropped: the queue is full, or shut down."""
        queue = self._queue
        if self._closed or len(queue) >= self._max_queue_spans:
            self.dropped += 1
            return
        queue.append(span)
        if self._thread is None:
            self._start()
        elif len(queue) == self._wake_at:
            self._wake.set()

    def put_all(self, spans: Iterable[Any]) -> None:
        """Queue the spans of one trace, also past the size of the queue if it is not full yet: they were in
        memory before, and a part of them without the root would be worth little.
        """
        spans = list(spans)
        if self._closed or len(self._queue) >= self._max_queue_spans:
            self.dropped += len(spans)
            return
        self._queue.extend(spans)
        if self._thread is None:
            self._start()
        self._wake.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # no threads to be had (the interpreter ends): flush does the work
            self._thread = thread

    def _run(self) -> None:
        while True:
            self._wait(self._wake, self._interval_s)
            self._wake.clear()  # before the look at the queue: a set from now on is seen next time
            left = self._step_through(len(self._queue))
            closing, ticket = self._closed, self._asked
            if closing or ticket > self._done:
                succeeded = self._turn(flush=True)
            else:
                succeeded = self._turn(flush=False, most=left) and self._hand_over([], flush=False)
            with self._lock:
                self._done, self._succeeded = ticket, succeeded
                self._answered.notify_all()
            if closing:
                return

    def _step_through(self, left: int) -> int:
        """Hand over a round but for its last step, unless somebody waits; return how many spans are left."""
        step, pause_s = self._pace.of(left)
        while left > step and not self._closed and self._asked <= self._done:
            self._turn(flush=False, most=step)
            left -= step
            self._sleep(pause_s)
        return left

    def _turn(self, *, flush: bool, most: int = 2**63) -> bool:
        """Hand over what is queued, at most so many spans."""
        spans: list[Any] = []
        pop = self._queue.popleft
        try:
            while len(spans) < most:
                spans.append(pop())
        except IndexError:
            pass
        return self._hand_over(spans, flush=flush)

    def _hand_over(self, spans: list[Any], *, flush: bool) -> bool:
        try:
            return self._sink.consume(spans, flush=flush)
        except Exception:
            # The last net: a bug in a sink must cost spans, not the thread.
            self.dropped += len(spans)
            _logger.exception("%s lost %d spans", self._name, len(spans))
            return False

    def flush(self, timeout_s: float) -> bool:
        """Return whether everything put so far was taken care of within the time."""
        with self._lock:
            if self._thread is None:
                return self._turn(flush=True)
            if self._closed:
                return not self._thread.is_alive() and self._succeeded
            self._asked += 1
            ticket = self._asked
            self._wake.set()
            deadline_s = self._clock() + timeout_s
            while self._done < ticket:
                left_s = deadline_s - self._clock()
                if left_s <= 0 or not self._answered.wait(left_s):
                    return False
            return self._succeeded

    def begin_shutdown(self) -> None:
        """Take no more spans, and have the thread take care of those that are there."""
        with self._lock:
            self._closed = True
            self._wake.set()

    def shutdown(self, timeout_s: float) -> bool:
        """Take care of what is queued, at most so long, and stop; safe to call again.

        When the time is over the thread is left to itself: it is a daemon, and begins nothing more. What is
        left behind is counted (`left`) and logged.
        """
        self.begin_shutdown()
        thread = self._thread
        if thread is not None:
            thread.join(0 if self._ended else timeout_s)
            if thread.is_alive():
                self._sink.stop()
                self._end(f"was not done after {timeout_s:g} s")
                return False
        else:
            self._succeeded = self._turn(flush=True)
        self.dropped += len(self._queue)  # put between the last look and the close
        self._queue.clear()
        self._sink.close()
        self._end("has ended")
        return self._succeeded

    def _end(self, how: str) -> None:
        if not self._ended:
            self._ended = True
            if lost := self.left:
                _logger.warning("%s %s: %d spans are lost", self._name, how, lost)


def _weak_call(worker: SpanWorker) -> Callable[[], None]:
    """Return a fork hook that does not keep the worker alive: hooks cannot be unregistered."""
    reference = weakref.ref(worker)

    def after_in_child() -> None:
        if (alive := reference()) is not None:
            alive.after_fork()

    return after_in_child
