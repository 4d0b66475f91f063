"""This checkout beside another one, such as the commit before: both run at once and are asked in turn.

A shared machine changes its speed from one second to the next, so what is compared is what was measured side
by side: slices of one second, in the order A B B A, and the ratio of each pair.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

SLICE_S = 1


@dataclass(frozen=True, slots=True)
class Slice:
    """One second of load: what was done in it, and the CPU that the gateway took."""

    done: int
    seconds: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Requests, or events, a second."""
        return self.done / self.seconds

    @property
    def cpu_us(self) -> float:
        """CPU a request, or an event."""
        return self.cpu_s / max(1, self.done) * 1e6


Measure = Callable[[], Slice]


def pairs(this: Measure, other: Measure, number: int) -> list[tuple[Slice, Slice]]:
    """Measure both in turn, each first in every second pair."""
    found = []
    for index in range(number):
        if index % 2:
            second, first = other(), this()
        else:
            first, second = this(), other()
        found.append((first, second))
    return found


def report(title: str, found: list[tuple[Slice, Slice]]) -> None:
    """Print the medians of the ratios, this checkout over the other, with their quartiles."""
    for what, ratios in (
        ("a second", [this.per_s / other.per_s for this, other in found]),
        ("CPU each", [this.cpu_us / other.cpu_us for this, other in found]),
    ):
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"| {title}, {what} | {middle:.3f} | {low:.3f} to {high:.3f} | {len(found)} |", flush=True)
