"""Threads, executors, forks and the end of the interpreter: nothing is lost, nothing comes twice."""

import os
import random
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import set_span_in_context

from tollway.tracing import RatioSlowSampler, TracerProvider, testing
from tollway.tracing.store import FileStore


@pytest.mark.parametrize("ends_early", [False, True], ids=["root last", "root amid"])
@pytest.mark.parametrize("fails", [False, True], ids=["dropped", "kept"])
def test_threads_under_one_root_lose_nothing(ends_early, fails):
    """Children end in eight threads while the root ends, or before: every span is kept or counted as
    dropped.
    """
    with testing.capture(RatioSlowSampler(0.0), set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")
        for _ in range(40):
            root = tracer.start_span("root")
            if fails:
                root.set_status("ERROR", "why")
            context = set_span_in_context(root)
            gate = threading.Barrier(9)

            def work(context=context, gate=gate):
                spans = [tracer.start_span("child", context) for _ in range(20)]
                gate.wait()
                for span in spans:
                    span.end()

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            gate.wait()
            if ends_early:
                root.end()
            for thread in threads:
                thread.join()
            if not ends_early:
                root.end()
    counts = captured.provider.counts
    assert 40 * 161 == counts.started == counts.kept_spans + sum(counts.dropped.values())
    assert (
        (40 * 161 if fails else 0) == len(captured.spans) == len({s.context.span_id for s in captured.spans})
    )
    assert 0 == captured.provider.held_spans


def test_nothing_is_lost_or_doubled_whatever_happens_at_once():
    """Threads end spans, some failed, some after their root, while the timer promotes and memory is short."""
    clock = testing.SteppingClock()
    sampler = RatioSlowSampler(0.3, 50, max_held_spans=200)
    with testing.capture(sampler, set_global=False, clock=clock.clock()) as captured:
        tracer = captured.provider.get_tracer("t")
        stop = threading.Event()

        def tick():
            while not stop.is_set():
                captured.provider.tick()

        def work(seed):
            rng = random.Random(seed)
            open_spans = []
            for _ in range(1500):
                if rng.random() < 0.02:
                    clock.step(20)
                if open_spans and rng.random() < 0.5:
                    span = open_spans.pop(rng.randrange(len(open_spans)))
                    if rng.random() < 0.05:
                        span.set_status("ERROR", "why")
                    span.end()
                else:
                    parent = rng.choice(open_spans) if open_spans and rng.random() < 0.8 else None
                    context = None if parent is None else set_span_in_context(parent)
                    open_spans.append(tracer.start_span("s", context, force=rng.random() < 0.01))
            for span in open_spans:
                span.end()

        ticking = threading.Thread(target=tick)
        ticking.start()
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, range(4)))
        finally:
            sys.setswitchinterval(before)
            stop.set()
            ticking.join()
    counts = captured.provider.counts
    assert counts.started == counts.kept_spans + sum(counts.dropped.values())
    ids = [span.context.span_id for span in captured.spans]
    assert counts.kept_spans == len(ids) == len(set(ids))
    assert 0 == captured.provider.held_spans
    assert all(counts.kept[why] for why in ("ratio", "slow", "error", "forced"))
    assert all(span.context.trace_flags.sampled for span in captured.spans)


def test_traces_of_many_threads_do_not_mix():
    with testing.capture(RatioSlowSampler(0.0), set_global=False) as captured:
        tracer = captured.provider.get_tracer("t")

        def one(number):
            with tracer.start_as_current_span("root") as root:
                with tracer.start_as_current_span("child"):
                    pass
                if number % 2:
                    root.set_status("ERROR", "why")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(400)))
    assert 200 * 2 == len(captured.spans)
    assert 200 == len({span.context.trace_id for span in captured.spans})


def run_python(program: str, folder: Path) -> str:
    """Run a program in a process of its own, and return what it printed."""
    path = folder / "program.py"
    path.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [
            *(sys.executable, "-X", "dev", "-W", "error::ResourceWarning"),
            # Since 3.12 a fork warns of threads; that ours are no danger is what is tested.
            *("-W", "ignore:This process:DeprecationWarning", path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def test_spans_that_ended_before_the_exit_are_on_disk(tmp_path):
    """A program needs no flush at its end."""
    run_python(
        """
        from tollway import tracing
        tracing.configure(store="traces", service_name="shop")
        with tracing.start_span("s"):
            pass
        """,
        tmp_path,
    )
    assert ["s"] == [trace.root_name for trace in FileStore(tmp_path / "traces").search()]


def test_a_forked_child_starts_clean(tmp_path):
    """Its ids differ, its spans hang under the parent's, and the parent's open span is stored once: by the
    parent.
    """
    run_python(
        """
        import os
        from tollway import tracing
        tracing.configure(store="traces", service_name="shop")
        with tracing.start_span("before"):
            pass
        with tracing.start_span("around") as around:
            child = os.fork()
            with tracing.start_span("in child" if child == 0 else "in parent"):
                pass
            if child == 0:
                around.end()
                tracing.flush()
                assert 1 == tracing.stats().started_spans, tracing.stats()
                os._exit(0)
            os.waitpid(child, 0)
        """,
        tmp_path,
    )
    spans = [span for trace in FileStore(tmp_path / "traces").search() for span in trace.spans]
    assert ["around", "before", "in child", "in parent"] == sorted(span.name for span in spans)
    assert 4 == len({span.span_id for span in spans})
    around = next(span for span in spans if span.name == "around")
    assert {around.span_id} == {span.parent_id for span in spans if span.name.startswith("in ")}


def test_a_forked_child_of_an_undecided_trace_decides_for_itself(tmp_path):
    """The child holds its own part: failed, it is kept, though the parent's part is dropped."""
    run_python(
        """
        import os
        from tollway import tracing
        tracing.configure(store="traces", sampling_rate=0.0)
        with tracing.start_span("around"):
            child = os.fork()
            if child == 0:
                with tracing.start_span("in child") as span:
                    span.set_status("ERROR", "why")
                tracing.flush()
                os._exit(0)
            os.waitpid(child, 0)
        """,
        tmp_path,
    )
    spans = [span for trace in FileStore(tmp_path / "traces").search() for span in trace.spans]
    assert ["in child"] == [span.name for span in spans]


def test_seeding_random_does_not_repeat_ids(tmp_path):
    out = run_python(
        """
        import random
        from tollway import tracing
        tracing.configure()
        for _ in range(2):
            random.seed(1)
            with tracing.start_span("s") as span:
                print(span.get_span_context().trace_id)
        """,
        tmp_path,
    )
    assert 2 == len(set(out.split()))


def test_importing_the_package_does_not_import_the_sdk(tmp_path):
    """A library that only decorates its functions costs its users no more than the API."""
    out = run_python("import sys, tollway.tracing; print('opentelemetry.sdk' in sys.modules)", tmp_path)
    assert "False" == out.strip()


def test_the_timer_promotes_in_the_background(tmp_path):
    """A trace that runs longer than the threshold leaves before it ends, without anybody's call."""
    run_python(
        """
        import time
        from tollway import tracing
        tracing.configure(store="traces", sampling_rate=0.0, slow_threshold_ms=20)
        deadline = time.monotonic() + 30
        with tracing.start_span("root"):
            with tracing.start_span("child"):
                pass
            while not tracing.stats().kept_traces.get("slow"):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            tracing.flush()
            assert tracing.search_traces(), "the child is not on disk"
        """,
        tmp_path,
    )


def test_it_works_in_a_subinterpreter(tmp_path):
    """Nothing that it imports, or keeps, belongs to the main interpreter."""
    out = run_python(
        """
        from functools import partial
        try:
            from _interpreters import create, exec as run  # Python 3.13
            create = partial(create, "legacy")  # one lock for all: orjson knows no other
        except ImportError:
            from _xxsubinterpreters import create, run_string as run
            create = partial(create, isolated=False)
        lines = [
            "from tollway import tracing",
            "from tollway.tracing import testing",
            "with testing.capture() as captured, tracing.start_span('s'): pass",
            "print([span.name for span in captured.spans], flush=True)",
        ]
        run(create(), "\\n".join(lines))
        """,
        tmp_path,
    )
    assert "['s']" == out.strip()


def test_what_runs_while_the_interpreter_ends_raises_nothing(tmp_path):
    """Threads and generators that outlive the program, and spans that nobody ends."""
    run_python(
        """
        import threading
        from tollway import tracing
        tracing.configure(store="traces", sampling_rate=0.5, slow_threshold_ms=1000)

        @tracing.trace
        def endless():
            while True:
                yield 1

        generator = endless()
        next(generator)
        forgotten = tracing.start_span("forgotten").start()
        works = threading.Event()

        def work():
            while True:
                with tracing.start_span("thread"):
                    works.set()

        threading.Thread(target=work, daemon=True).start()
        works.wait()
        """,
        tmp_path,
    )


def test_a_new_setup_amid_running_threads_loses_nothing():
    """Every span goes to the processors of before or after, or is counted as dropped."""
    recorders = [testing.Recorder()]
    provider = TracerProvider(RatioSlowSampler(), Resource({}), shutdown_on_exit=False)
    provider.adopt_processors(recorders)
    tracer, engines = provider.get_tracer("t"), [provider.engine]
    stop = threading.Event()

    def work():
        made = 0
        while not stop.is_set():
            with tracer.start_as_current_span("root"):
                tracer.start_span("child").end()
            made += 2
        return made

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(work) for _ in range(4)]
            for number in range(40):
                recorders.append(testing.Recorder())
                provider.adopt(RatioSlowSampler(1.0 if number % 2 else 0.5), Resource({}), recorders[-1:])
                engines.append(provider.engine)
            stop.set()
            made = sum(future.result() for future in running)
    finally:
        stop.set()
        sys.setswitchinterval(before)
    ids = [span.context.span_id for recorder in recorders for span in recorder.spans]
    assert made == len(set(ids)) + sum(sum(engine.counts.dropped.values()) for engine in engines)
    assert len(ids) == len(set(ids))
