"""Forked processes: a child's spans are its own, and no child loses them or hangs, however it ends."""

import subprocess
import sys

import pytest

from tollway.tracing import FileStore

UNDER_A_PARENT = """
import multiprocessing, sys
from opentelemetry import trace
from tollway import tracing
tracing.configure(service_name="s", store=sys.argv[1])
def job():
    with tracing.start_span("child"):
        pass
    tracing.flush()
    sys.stdout.write(repr([t.root_name for t in tracing.search_traces()]))
    sys.stdout.flush()
with tracing.start_span("parent"):
    child = multiprocessing.get_context("fork").Process(target=job)
    child.start()
    child.join()
"""

SHORT = """
import multiprocessing, sys
from tollway import tracing
tracing.configure(service_name="s", store=sys.argv[1])
def job(number):
    with tracing.start_span(f"job {number}"):
        pass
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[2]).Pool(2, maxtasksperchild=1) as pool:
        pool.map(job, range(6), chunksize=1)
        pool.close()
        pool.join()
"""

A_POOL_THEN_A_FORK = """
import os, sys
from tollway.tracing import testing
testing.capture().__enter__()
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor() as pool:
    pool.submit(int).result()
child = os.fork()
if child == 0:
    os._exit(7)
os.waitpid(child, 0)
os._exit(0)
"""


def run(tmp_path, code, *arguments):
    program = tmp_path / "program.py"
    program.write_text(code)
    command = [sys.executable, str(program), str(tmp_path / "traces"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_a_childs_part_of_a_trace_is_written_when_it_has_ended(tmp_path):
    """Its root has a parent in the process that forked it: it is the child's local root all the same."""
    assert "['child']" == run(tmp_path, UNDER_A_PARENT).stdout
    (trace,) = FileStore(tmp_path / "traces").search()
    assert {"parent", "child"} == {span.name for span in trace.spans}


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_child_that_ends_at_once_loses_nothing(tmp_path, method):
    run(tmp_path, SHORT, method)
    traces = FileStore(tmp_path / "traces").search(limit=100)
    assert {f"job {number}" for number in range(6)} == {trace.root_name for trace in traces}


def test_a_child_does_not_hang_after_a_pool_of_threads_was_used(tmp_path):
    run(tmp_path, A_POOL_THEN_A_FORK)
