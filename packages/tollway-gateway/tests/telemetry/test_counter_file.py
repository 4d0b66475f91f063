"""Counter files: numbers in memory that other processes read."""

from __future__ import annotations

import subprocess
import sys

from prometheus_client.parser import text_string_to_metric_families as parse

from tollway.gateway.telemetry import Labels, Metrics
from tollway.gateway.telemetry.counter_file import CounterFile

WORKER = """
import sys
from tollway.gateway.telemetry import Labels, Metrics
metrics = Metrics(sys.argv[1], 1)
who = Labels("chat", "openai", "gpt-4")
for _ in range(3):
    metrics.answered(who, "/v1", 200, 0.02, 0.0002, None)
metrics.cells[metrics.in_flight] += 5
metrics.lagged(9.0)
print("counted", flush=True)
sys.stdin.read()
"""


def test_cells_begin_as_zeros_and_keep_their_place():
    counters = CounterFile()
    first = counters.at(("a", "x"), 3)
    assert [0.0] * 3 == list(counters.cells[first : first + 3])
    counters.cells[first + 1] += 2
    assert first == counters.at(("a", "x"), 3)
    assert [(("a", "x"), [0.0, 2.0, 0.0])] == list(counters.rows())


def test_a_sheet_half_written_is_read_up_to_its_last_line(tmp_path):
    """A worker may be writing while another reads."""
    (tmp_path / "1.keys").write_bytes(b'[1, 1, "a"]\n[2, 1, "b')
    (tmp_path / "1.cells").write_bytes(bytes(64))
    assert [(False, ("a",), [0.0])] == list(CounterFile(str(tmp_path)).rows_of_others())


def test_a_sheet_goes_on_where_the_one_before_stopped(tmp_path):
    """The next worker of that number finds them; the half of a line that a killed one left is gone."""
    first = CounterFile(str(tmp_path), 1)
    first.cells[first.at(("a",), 2)] += 3
    first.at(("b",))
    del first
    with (tmp_path / "1.keys").open("ab") as keys:
        keys.write(b'[4, 1, "c')
    second = CounterFile(str(tmp_path), 1)
    second.cells[second.at(("c",))] += 5
    second.cells[second.at(("a",), 2)] += 4
    expected = [(("a",), [7.0, 0.0]), (("b",), [0.0]), (("c",), [5.0])]
    assert expected == list(second.rows())
    assert [(True, *row) for row in expected] == seen_by_another(tmp_path)


def seen_by_another(folder) -> list:
    code = "import sys; from tollway.gateway.telemetry.counter_file import CounterFile; "
    code += "print(list(CounterFile(sys.argv[1], 9).rows_of_others()))"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, check=True)
    return eval(done.stdout)


def samples(metrics: Metrics) -> dict[str, float]:
    families = parse(metrics.render()[0].decode())
    return {s.name: s.value for f in families for s in f.samples if s.labels.get("le", "+Inf") == "+Inf"}


def test_metrics_are_those_of_all_workers(tmp_path):
    """Counters are sums, also of workers that ended; what is in flight is so where somebody lives."""
    metrics = Metrics(str(tmp_path), 0)
    metrics.answered(Labels("chat", "openai", "gpt-4"), "/v1", 200, 0.02, 0.0002, None)
    metrics.cells[metrics.in_flight] += 1
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"counted\n"
        alive = samples(metrics)
        assert worker.stdin is not None
        worker.stdin.close()
    ended = samples(metrics)
    assert (4, 4, 6, 9.0) == (
        alive["gateway_requests_total"],
        alive["gateway_latency_seconds_count"],
        alive["gateway_requests_in_flight"],
        alive["gateway_event_loop_lag_seconds"],
    )
    assert (4, 1) == (ended["gateway_requests_total"], ended["gateway_requests_in_flight"])


def test_a_worker_that_takes_anothers_place_counts_on(tmp_path):
    """No counter goes back, and what was in flight in the dead worker is not."""
    metrics = Metrics(str(tmp_path), 0)
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER, str(tmp_path)], stdin=subprocess.DEVNULL, check=True)
    seen = samples(metrics)
    assert (6, 6, 0, 0, 1) == (
        seen["gateway_requests_total"],
        seen["gateway_latency_seconds_count"],
        seen["gateway_requests_in_flight"],
        seen["gateway_event_loop_lag_seconds"],
        seen["gateway_workers_replaced_total"],
    )
