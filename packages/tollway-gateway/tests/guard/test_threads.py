"""Functions run in threads that do not keep the process alive."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from tollway.gateway.guard.threads import DaemonThreads

WAIT_S = 20.0


@pytest.fixture
def threads():
    made = DaemonThreads("test")
    yield made
    made.close()


def fail():
    raise SystemExit("no")


def test_results_and_errors_come_back(threads: DaemonThreads):
    """Whatever a function raises is its future's."""
    assert threads.submit(divmod, 7, 2).result(WAIT_S) == (3, 1)
    assert isinstance(threads.submit(fail).exception(WAIT_S), SystemExit)


def test_as_many_threads_as_run_at_the_same_time(threads: DaemonThreads):
    """None waits for another, and idle threads are used again."""
    barrier = threading.Barrier(4)
    for _ in range(3):
        names = [
            threads.submit(lambda: (barrier.wait(WAIT_S), threading.current_thread().name)) for _ in range(4)
        ]
        assert len({name.result(WAIT_S) for name in names}) == 4
    assert threads.submit(lambda: threading.current_thread().daemon).result(WAIT_S)


def test_an_idle_thread_keeps_nothing_alive(threads: DaemonThreads):
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    threads.submit(id, thing).result(WAIT_S)
    del thing
    assert threads.submit(gc.collect).result(WAIT_S) >= 0
    assert gone() is None


def test_threads_end_when_closed():
    threads = DaemonThreads("test")
    thread = threads.submit(threading.current_thread).result(WAIT_S)
    threads.close()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_thread_that_hangs_does_not_keep_the_process_alive():
    code = (
        "import threading\n"
        "from tollway.gateway.guard.threads import DaemonThreads\n"
        "runs = threading.Event()\n"
        "DaemonThreads('test').submit(lambda: (runs.set(), threading.Event().wait()))\n"
        "runs.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=WAIT_S, check=False).returncode == 0
