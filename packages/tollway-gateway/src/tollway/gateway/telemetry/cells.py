"""What every answer adds to the numbers of a `CounterFile`, in memory that is written directly."""

from __future__ import annotations

import time
from array import array
from collections.abc import MutableSequence, Sequence
from typing import TypeAlias

from tollway.tracing.compiled import accept_proxies

Exemplars: TypeAlias = dict[int, tuple[str, float, float]]
"""Trace id, value and Unix time of the last exemplar of a bucket, by the index of its cell."""


class Histogram:
    """The cells of one histogram: its buckets, the last without a bound, then the sum of what was observed.

    `cells` is a buffer of doubles, and `first` the index of the first bucket.
    """

    def __init__(self, cells: MutableSequence[float], first: int, bounds: Sequence[float]) -> None:
        self._cells = cells
        self._first = first
        self._bounds = array("d", bounds)
        self._count = len(bounds)

    def observe(self, value: float) -> int:
        """Count a value, in the unit of the bounds; return the index of its bucket's cell."""
        cells, bounds, count = self._cells, self._bounds, self._count
        place = 0
        while place < count and bounds[place] < value:
            place += 1
        cells[self._first + place] += 1
        cells[self._first + count + 1] += value
        return self._first + place


class AnswerCells:
    """Where the answers of one kind are counted: requests, latency and overhead."""

    def __init__(
        self,
        cells: MutableSequence[float],
        requests: int,
        latency: Histogram,
        overhead: Histogram,
        exemplars: Exemplars,
    ) -> None:
        self._cells = cells
        self._requests = requests
        self._latency = latency
        self._overhead = overhead
        self._exemplars = exemplars

    def count(self, latency_s: float, overhead_s: float, trace_id: str | None) -> None:
        """Count an answer; `trace_id`, when given, becomes the exemplar of both times."""
        cells, latency, overhead = self._cells, self._latency, self._overhead
        cells[self._requests] += 1
        of_latency = latency.observe(latency_s)
        of_overhead = overhead.observe(overhead_s)
        if trace_id is not None:
            exemplars, now_s = self._exemplars, time.time()
            exemplars[of_latency] = trace_id, latency_s, now_s
            exemplars[of_overhead] = trace_id, overhead_s, now_s


class TokenCells:
    """Where the tokens of one endpoint are counted."""

    def __init__(self, cells: MutableSequence[float], inputs: int, outputs: int) -> None:
        self._cells = cells
        self._inputs = inputs
        self._outputs = outputs

    def count(self, inputs: int | None, outputs: int | None) -> None:
        """Count the tokens of an answer; None counts as none."""
        cells = self._cells
        if inputs is not None:
            cells[self._inputs] += inputs
        if outputs is not None:
            cells[self._outputs] += outputs


accept_proxies(Histogram, AnswerCells, TokenCells)
