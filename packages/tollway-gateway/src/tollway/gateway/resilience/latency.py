"""What is remembered of latencies: a moving average for routing, a quantile for hedging."""

from __future__ import annotations

import math

from .windows import Clock

_DECAY_S = 10.0
"""After how many seconds without a new one a latency counts for 1/e."""


class PeakAverage:
    """A moving average that rises at once and falls slowly, as Finagle's peak EWMA.

    A slow answer counts in full when it comes, and less with time, also when no answer follows: so a slow
    upstream is left alone soon, and tried again later.
    """

    __slots__ = ("_clock_s", "_seen_s", "_value_s")

    def __init__(self, clock_s: Clock) -> None:
        self._clock_s = clock_s
        self._value_s = 0.0
        self._seen_s = clock_s()

    def observe(self, latency_s: float) -> None:
        """Learn a latency in seconds."""
        now_s = self._clock_s()
        if latency_s >= self._value_s:
            self._value_s = latency_s
        else:
            weight = math.exp((self._seen_s - now_s) / _DECAY_S)
            self._value_s = self._value_s * weight + latency_s * (1 - weight)
        self._seen_s = now_s

    def value_s(self) -> float:
        """Return the average in seconds, 0 when nothing is known."""
        return self._value_s * math.exp((self._seen_s - self._clock_s()) / _DECAY_S)


_STEPS_PER_OCTAVE = 8
_OCTAVES = 24
_LEAST_S = 0.001
_FORGET_AFTER = 1000
_ENOUGH = 20


class StreamingQuantile:
    """A quantile of the latest latencies, exact to 9 % from a millisecond to hours, in constant memory.

    Latencies are counted in buckets of a logarithmic scale, and all counts are halved every `_FORGET_AFTER`
    of them, so that the latest count most.
    """

    __slots__ = ("_counts", "_quantile", "_total", "_value_s")

    def __init__(self, quantile: float) -> None:
        self._quantile = quantile
        self._counts = [0] * (_STEPS_PER_OCTAVE * _OCTAVES)
        self._total = 0
        self._value_s: float | None = None

    def observe(self, latency_s: float) -> None:
        """Learn a latency in seconds."""
        step = int(math.log2(max(latency_s, _LEAST_S) / _LEAST_S) * _STEPS_PER_OCTAVE)
        self._counts[min(step, len(self._counts) - 1)] += 1
        self._total += 1
        self._value_s = None
        if self._total >= _FORGET_AFTER:
            self._counts = [count >> 1 for count in self._counts]
            self._total = sum(self._counts)

    def value_s(self) -> float | None:
        """Return the quantile in seconds, None as long as fewer than `_ENOUGH` latencies are known."""
        if self._total < _ENOUGH:
            return None
        if self._value_s is None:
            self._value_s = self._computed_s()
        return self._value_s

    def _computed_s(self) -> float:
        rank = self._quantile * self._total
        seen = 0
        for step, count in enumerate(self._counts):
            seen += count
            if seen >= rank and count:
                return float(_LEAST_S * 2.0 ** ((step + 1) / _STEPS_PER_OCTAVE))
        return float(_LEAST_S * 2.0**_OCTAVES)
