"""Where times come from."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """Two clocks in nanoseconds: the wall's, and one that never goes back.

    A local trace reads the wall once, at its root; every other time in it is that plus monotonic time passed.
    So durations are right when the wall clock is set, and the times of a long-lived process do not drift from
    it.
    """

    wall_ns: Callable[[], int] = time.time_ns
    monotonic_ns: Callable[[], int] = time.perf_counter_ns
