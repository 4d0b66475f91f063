"""A process that was asked to stop ends in its time, and says what it left behind."""

from __future__ import annotations

import logging
import math
import subprocess
import sys
from queue import SimpleQueue

import pytest

from tollway.gateway.server.stopping import StopDeadline, log_left_behind, stop_s

WAIT_S = 20.0


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Stop:
    """A deadline whose end is noted."""

    def __init__(self, drain_s: float) -> None:
        self.clock = Clock()
        self.ends: SimpleQueue[int] = SimpleQueue()
        self.deadline = StopDeadline(drain_s, clock_s=self.clock, end=self.ends.put)


def test_each_signal_leaves_less_time():
    """The first leaves the drain and a moment, the second the moment, the third nearly nothing."""
    stop = Stop(30.0)
    assert stop.deadline.left_s() == math.inf
    left_s = []
    for times in (1, 2, 3):
        stop.deadline.asked(times)
        left_s.append(stop.deadline.left_s())
    assert 30.0 <= left_s[0] < 33.0
    assert left_s[0] > left_s[1] > left_s[2]
    assert left_s[2] == 0.0


def test_a_later_signal_never_gives_more_time():
    stop = Stop(0.0)
    stop.deadline.asked(1)
    stop.clock.now_s += 1.0
    before_s = stop.deadline.left_s()
    stop.deadline.asked(2)
    assert stop.deadline.left_s() == before_s


def test_the_process_ends_when_its_time_is_over(caplog: pytest.LogCaptureFixture):
    """With 0, and one line that says what is left."""
    stop = Stop(30.0)
    stop.deadline.left_behind = lambda: "requests in flight: 2"
    stop.deadline.asked(1)
    stop.clock.now_s += stop_s(1, 30.0)
    assert stop.ends.empty()
    stop.deadline.asked(2)  # wakes it
    assert 0 == stop.ends.get(timeout=WAIT_S)
    assert [record.getMessage() for record in caplog.records] == [
        "stopped in time, and left behind: requests in flight: 2"
    ]


def test_it_ends_though_nothing_can_be_said():
    """What says what is left may fail or hang as everything else may."""
    for left_behind in (lambda: 1 / 0, lambda: SimpleQueue[str]().get()):
        stop = Stop(-stop_s(1, 0.0))
        stop.deadline.left_behind = left_behind  # type: ignore[assignment]  # a stand-in
        stop.deadline.asked(1)
        assert 0 == stop.ends.get(timeout=WAIT_S)


def test_nothing_is_logged_when_nothing_is_left(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        log_left_behind("")
    assert not caplog.records


def test_leaving_runs_what_is_to_run_at_exit_and_waits_for_no_thread():
    code = (
        "import atexit, threading\n"
        "from tollway.gateway.server import leave\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "atexit.register(print, 'at exit')\n"
        "leave(7)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=WAIT_S, check=False)
    assert (7, b"at exit\n") == (ended.returncode, ended.stdout)
