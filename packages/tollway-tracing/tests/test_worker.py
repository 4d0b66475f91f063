"""The thread that empties a queue of spans: in rounds, at its sink's pace."""

import pytest

from tollway.tracing._worker import AT_ONCE, Pace, SpanWorker

PACE = Pace(min_spans=3, max_spans=5, busy_spans=20, over_s=0.3, max_pause_s=0.1)
INTERVAL_S = 9.0


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


def run(queued, pace, *, rounds=1, in_pause=lambda worker: None):
    """Run the thread's loop in this one for so many rounds; return what the sink got, and the pauses."""
    sink, pauses, waits = Sink(), [], []

    def wait(event, timeout_s):
        waits.append(timeout_s)
        worker._closed = len(waits) > rounds
        return False

    def sleep(pause_s):
        pauses.append(round(pause_s, 6))
        in_pause(worker)

    worker = SpanWorker(
        sink, name="t", max_queue_spans=1_000, interval_s=INTERVAL_S, pace=pace, wait=wait, sleep=sleep
    )
    worker._queue.extend(range(queued))
    worker._run()
    assert {INTERVAL_S} == set(waits)
    return sink.calls[:-1], pauses  # without the last flush


@pytest.mark.parametrize(
    ("queued", "calls", "pauses"),
    [
        (0, [0, 0], []),
        (3, [3, 0], []),
        (4, [3, 1, 0], [0.1]),
        (9, [3, 3, 3, 0], [0.1, 0.1]),
        (15, [3, 3, 3, 3, 3, 0], [0.06] * 4),
        (18, [4, 4, 4, 4, 2, 0], [pytest.approx(0.0667, abs=1e-4)] * 4),
        (20, [5, 5, 5, 5, 0], [0.075] * 3),
        (30, [5, 5, 5, 5, 5, 5, 0], [0.05] * 5),
    ],
)
def test_a_round_is_handed_over_in_steps(queued, calls, pauses):
    """The larger a round, the larger its steps; an empty call ends it; many steps have short pauses."""
    assert (calls, pauses) == run(queued, PACE)


def test_what_comes_during_a_round_waits_for_the_next():
    """A round ends, and its rows get written, however much comes in meanwhile."""
    calls, _ = run(6, PACE, rounds=2, in_pause=lambda worker: worker._queue.extend(range(2)))
    assert [3, 3, 0, 2, 0] == calls


@pytest.mark.parametrize("ask", ["flush", "shutdown"])
def test_whoever_waits_does_not_wait_for_the_pace(ask):
    """In the middle of a round a flush, or the end, gets all that is left in one call."""

    def waiting(worker):
        if ask == "flush":
            worker._asked = 1
        else:
            worker._closed = True

    calls, pauses = run(30, PACE, in_pause=waiting)
    assert ([5, "flush"] if ask == "flush" else [5], 1) == (calls, len(pauses))


def test_without_a_pace_there_is_one_step():
    """An exporter gets all that is queued at once."""
    assert ([500, 0], []) == run(500, AT_ONCE)


def test_a_sink_that_raises_costs_its_step(caplog):
    """What a step loses is counted, and the steps after it are handed over."""
    sink = Sink()
    worker = SpanWorker(sink, name="t", max_queue_spans=1_000, interval_s=1, pace=PACE, sleep=lambda _: None)
    worker._queue.extend(range(7))
    sink.consume = lambda spans, *, flush: 1 / 0
    assert 1 == worker._step_through(7)
    assert (6, 1) == (worker.dropped, worker.queued)
