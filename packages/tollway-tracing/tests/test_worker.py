"""The thread that empties a queue of spans: in rounds, at its sink's pace."""

import pytest

from tollway.tracing._worker import AT_ONCE, Pace, SpanWorker

PACE = Pace(steps=4, min_spans=2, max_spans=5, pause_s=0.002, hurry_at_spans=100)


class Sink:
    """Writes down what it is given."""

    def __init__(self):
        self.calls = []

    def consume(self, spans, *, flush):
        self.calls.append("flush" if flush else len(spans))
        return True

    def close(self):
        """Hold nothing."""

    def after_fork(self):
        """Hold nothing."""


def rounds_of(queued, pace, *, rests, before_rest=lambda worker: None):
    """Run the thread's loop in this one for so many rests; return what the sink got, and the rests."""
    sink, waited = Sink(), []

    def wait(event, timeout_s):
        if len(waited) == rests:
            worker._closed = True
            return True
        waited.append(timeout_s)
        before_rest(worker)
        return False

    worker = SpanWorker(sink, name="t", max_queue_spans=1_000, interval_s=0.2, pace=pace, wait=wait)
    worker._queue.extend(range(queued))
    worker._run()
    return sink.calls[:-1], waited  # without the last flush


@pytest.mark.parametrize(
    ("queued", "steps"),
    [(0, [0, 0]), (1, [1, 0]), (3, [2, 1, 0]), (12, [3, 3, 3, 3, 0]), (22, [5, 5, 5, 5, 2, 0])],
)
def test_a_round_is_handed_over_in_steps(queued, steps):
    """Steps are as large as the number of them asks for, within the bounds; an empty call ends the round."""
    calls, waited = rounds_of(queued, PACE, rests=len(steps) - 1)
    assert steps == calls
    assert [0.2, *[0.002] * (len(steps) - 2)] == waited


def test_what_comes_during_a_round_waits_for_the_next():
    """A round ends, and its rows get written, however much comes in meanwhile."""
    calls, _ = rounds_of(4, PACE, rests=4, before_rest=lambda worker: worker._queue.extend(range(2)))
    assert [2, 2, 2, 0] == calls[:4]


def test_a_queue_that_grows_too_long_is_emptied_without_pauses():
    """Nothing is dropped for the sake of the pace."""
    _, waited = rounds_of(120, PACE, rests=6)
    assert [0.2, 0.0, 0.0, 0.0, 0.0, 0.002] == waited


def test_a_flush_does_not_wait_for_the_pace():
    """Whoever waits for a flush gets all of it in one call."""

    def ask(worker):
        if len(worker._queue) < 12:
            worker._asked += 1

    calls, _ = rounds_of(12, PACE, rests=2, before_rest=ask)
    assert [3, "flush"] == calls


def test_without_a_pace_there_is_one_step():
    """An exporter gets all that is queued at once."""
    calls, waited = rounds_of(500, AT_ONCE, rests=1)
    assert ([500, 0], [0.2]) == (calls, waited)
