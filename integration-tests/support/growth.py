"""How the cost of work grows with its size: ratios of CPU time, which a busy machine changes little."""

from __future__ import annotations

import time
from collections.abc import Callable

FACTOR = 8
"""How much larger the larger work is. Quadratic work takes 64 times as long."""

_ROUNDS = 5

_FLOOR_S = 0.000_5
"""CPU time below which nothing is compared: a clock's step, a cold cache."""


def growth(work: Callable[[int], object], size: int) -> float:
    """Return by how much the CPU time of `work` grows when its size does by `FACTOR`."""
    return _cpu_s(work, size * FACTOR) / _cpu_s(work, size)


def _cpu_s(work: Callable[[int], object], size: int) -> float:
    taken_s = []
    for _ in range(_ROUNDS):
        begun_s = time.thread_time()
        work(size)
        taken_s.append(time.thread_time() - begun_s)
    return max(_FLOOR_S, min(taken_s))
