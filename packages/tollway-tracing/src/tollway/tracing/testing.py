"""What tests of traced programs need: spans in memory, ids that count and a clock that steps.

def test_answer_is_traced():
    with testing.capture() as captured:
        answer("why?")
    assert ["answer", "retrieve"] == [span.name for span in captured.spans_by_start()]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler

from ._private.api import global_provider, replace_global_provider
from ._private.sdk import set_processors
from .engine import Clock, TracerProvider
from .sampling import RatioSlowSampler

__all__ = ["Captured", "CountingIds", "SteppingClock", "capture"]

_GOLDEN = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: multiples of it spread evenly (Knuth, The Art of Computer Programming
6.4).
"""


class CountingIds(IdGenerator):
    """Ids that count: span ids 1, 2, 3 ...; trace ids too, or (`spread`) evenly over all 56 random bits.

    With `spread` a ratio picks the share of traces that it names, and the same traces every time.
    """

    def __init__(self, *, spread: bool = False) -> None:
        self._spread = spread
        self.traces = 0
        self.spans = 0

    def generate_span_id(self) -> int:
        """Return the next span id."""
        self.spans += 1
        return self.spans

    def generate_trace_id(self) -> int:
        """Return the next trace id."""
        self.traces += 1
        if not self._spread:
            return self.traces
        return (self.traces << 64) | (self.traces * _GOLDEN) % 2**64

    def is_trace_id_random(self) -> bool:
        """Return whether they are spread."""
        return self._spread


class SteppingClock:
    """A clock that stands still until it is stepped. `start_ns` is what the wall shows at first (Unix
    time).
    """

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000) -> None:
        self.now_ns = start_ns

    def step(self, ms: float) -> None:
        """Let so many milliseconds pass."""
        self.now_ns += round(ms * 1e6)

    def clock(self) -> Clock:
        """Return it as the engine takes it."""
        return Clock(wall_ns=lambda: self.now_ns, monotonic_ns=lambda: self.now_ns)


class Recorder(SpanProcessor):
    """Keeps spans in the order they came."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class Captured:
    """What was traced: ended spans that were kept, in the order in which they were passed on."""

    def __init__(self, provider: TracerProvider, recorder: Recorder) -> None:
        self.provider = provider
        self._recorder = recorder

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans so far."""
        return list(self._recorder.spans)

    def spans_by_start(self) -> list[ReadableSpan]:
        """All spans so far, by start; of those that started together, the one that ended last first."""
        return sorted(self._recorder.spans, key=lambda span: (span.start_time or 0, -(span.end_time or 0)))

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of a name. Raises LookupError where there is none, or more than one."""
        found = [span for span in self._recorder.spans if span.name == name]
        if len(found) != 1:
            names = [span.name for span in self._recorder.spans]
            raise LookupError(f"{len(found)} spans are named {name!r}, among {names}")
        return found[0]

    def clear(self) -> None:
        """Forget the spans so far."""
        self._recorder.spans.clear()


@contextmanager
def capture(
    sampler: Sampler | None = None, *, set_global: bool = True, **provider: Any
) -> Iterator[Captured]:
    """Trace into memory: on OpenTelemetry's global provider for the time of the block, unless told otherwise.

    sampler: keep everything, if not given. provider: more arguments of `TracerProvider`, such as
    `id_generator` and `clock`. The timer is off: call `captured.provider.tick()` where a test lets time pass.
    """
    before = global_provider()
    recorder = Recorder()
    made = _provider(
        sampler or RatioSlowSampler(),
        recorder,
        {"resource": Resource({}), "timer": False, **provider},
        is_shared=set_global and before is None,
    )
    if set_global:
        replace_global_provider(made)
    try:
        yield Captured(made, recorder)
    finally:
        if set_global:
            replace_global_provider(before)
        made.shutdown()
        set_processors(made, ())


_shared: list[TracerProvider] = []


def _provider(
    sampler: Sampler, recorder: SpanProcessor, rest: dict[str, Any], *, is_shared: bool
) -> TracerProvider:
    """Return a provider with one processor.

    The shared one serves one capture after the other: a tracer that a module got when it was imported is
    bound to the first global provider for ever.
    """
    if is_shared and _shared:
        _shared[0].adopt(sampler, rest.pop("resource"), [recorder], **rest)
        return _shared[0]
    made = TracerProvider(sampler, shutdown_on_exit=False, **rest)
    made.adopt_processors([recorder])
    if is_shared:
        _shared.append(made)
    return made
