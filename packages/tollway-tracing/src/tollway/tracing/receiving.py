"""Spans of other services on their way into a store: the policy decides whole traces, within a window.

A trace is kept when the ratio picks it, when one of its spans failed, or when it proves slow; whichever is
known first. What nothing has kept when the window is over is dropped. Later spans follow their trace.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ._worker import Clock
from .otlp._protobuf import VARINT, raw, varint
from .otlp._receive import BadRequestError, Received, read_json, read_protobuf
from .records import Record
from .sampling import RatioSlowSampler, is_picked

__all__ = ["BadRequestError", "Received", "TraceReceiver", "answer", "read", "receiver", "set_receiver"]

MAX_DECIDED = 65_536
"""Traces whose decision is remembered for spans that come late."""


@dataclass(slots=True)
class _Held:
    since_s: float
    start_ns: int
    end_ns: int
    records: list[Record] = field(default_factory=list)


class TraceReceiver:
    """Decides which received traces are kept, and passes their spans on. For any number of threads.

    put: takes the spans that are kept. window_s: how long a trace may wait for what keeps it. max_held_spans:
    of all that wait; beyond it the oldest are dropped. is_behind: whether what takes the kept spans has
    too many of them already. `dropped` counts spans by reason: `unpicked` (nothing kept their trace), `late`
    (after that was decided), `evicted`, `rejected` (they are no spans).
    """

    def __init__(
        self,
        put: Callable[[Record], None],
        policy: RatioSlowSampler,
        *,
        window_s: float = 30.0,
        max_held_spans: int = 100_000,
        is_behind: Callable[[], bool] = lambda: False,
        clock: Clock = time.monotonic,
    ) -> None:
        self.dropped: Counter[str] = Counter()
        self.received = 0
        self.held_spans = 0
        self._put = put
        self._policy = policy
        self._window_s = window_s
        self._max_held_spans = max_held_spans
        self._is_behind = is_behind
        self._clock = clock
        self._held: OrderedDict[int, _Held] = OrderedDict()  # the oldest first
        self._decided: OrderedDict[int, str | None] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_behind(self) -> bool:
        """Whether senders should wait and send again: more spans now might be lost."""
        return self._is_behind()

    def take(self, received: Received) -> None:
        """Take what a request brought."""
        with self._lock:
            self.received += len(received.records)
            self.dropped["rejected"] += received.rejected
            now_s = self._clock()
            for record in received.records:
                self._take(record, now_s)
            self._end_windows(now_s)

    def end_windows(self) -> None:
        """Drop what nothing has kept in its time; called now and then while no spans come."""
        with self._lock:
            self._end_windows(self._clock())

    def close(self) -> None:
        """Drop, and count, what nothing has kept so far."""
        with self._lock:
            for trace_id in list(self._held):
                self._decide(trace_id, None)

    def _take(self, record: Record, now_s: float) -> None:
        trace_id = record.trace_id
        if trace_id in self._decided:
            self._follow(record, self._decided[trace_id])
            return
        held = self._held.get(trace_id)
        if held is None:
            held = self._held[trace_id] = _Held(now_s, record.start_ns, record.end_ns)
        held.records.append(record)
        held.start_ns, held.end_ns = min(held.start_ns, record.start_ns), max(held.end_ns, record.end_ns)
        self.held_spans += 1
        if (why := self._why(record, held)) is not None:
            self._decide(trace_id, why)
        while self.held_spans > self._max_held_spans:
            self._decide(next(iter(self._held)), None, "evicted")

    def _follow(self, record: Record, why: str | None) -> None:
        if why is None:
            self.dropped["late"] += 1
        else:
            self._put(_kept(record, why))

    def _why(self, record: Record, held: _Held) -> str | None:
        """Return why a trace is kept, as far as it is known."""
        if is_picked(record.trace_id, None, self._policy.threshold):
            return "ratio"
        if record.failed:
            return "error"
        slow_ns = self._policy.slow_ns
        return "slow" if slow_ns is not None and held.end_ns - held.start_ns > slow_ns else None

    def _decide(self, trace_id: int, why: str | None, dropped: str = "unpicked") -> None:
        held = self._held.pop(trace_id)
        self.held_spans -= len(held.records)
        self._decided[trace_id] = why
        if len(self._decided) > MAX_DECIDED:
            self._decided.popitem(last=False)
        if why is None:
            self.dropped[dropped] += len(held.records)
            return
        # The root last: it ends the group of its trace.
        for record in sorted(held.records, key=lambda record: -record.distance):
            self._put(_kept(record, why))

    def _end_windows(self, now_s: float) -> None:
        while self._held:
            trace_id, held = next(iter(self._held.items()))
            if now_s - held.since_s < self._window_s:
                return
            self._decide(trace_id, None)


def _kept(record: Record, why: str) -> Record:
    return record if record.kept_because is not None else record._replace(kept_because=why)


def read(body: bytes, content_type: str) -> Received:
    """Read a request by its media type. Raises BadRequestError, and LookupError for another type."""
    kind = content_type.partition(";")[0].strip().lower()
    return _READERS[kind](body)


_READERS: dict[str, Callable[[bytes], Received]] = {
    "application/json": read_json,
    "application/x-protobuf": read_protobuf,
}


def answer(received: Received, content_type: str) -> tuple[bytes, str]:
    """Return the body of an answer and its media type: empty, or what was not taken (partial success)."""
    message = f"{received.rejected} spans have no valid ids or times" if received.rejected else ""
    if content_type.startswith("application/x-protobuf"):
        partial = varint(1 << 3 | VARINT) + varint(received.rejected) + raw(2, message.encode())
        return (raw(1, partial) if message else b""), "application/x-protobuf"
    if not message:
        return b"{}", "application/json"
    rejected = f'{{"rejectedSpans":"{received.rejected}","errorMessage":"{message}"}}'
    return f'{{"partialSuccess":{rejected}}}'.encode(), "application/json"


_receiver: TraceReceiver | None = None


def set_receiver(receiver: TraceReceiver | None) -> None:
    """Set what takes received spans to the store that `configure` chose."""
    global _receiver  # noqa: PLW0603 - one per process, as the store that it belongs to
    _receiver = receiver


def receiver() -> TraceReceiver | None:
    """Return what takes received spans; None where there is no store."""
    return _receiver
