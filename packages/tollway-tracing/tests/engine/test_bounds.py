"""Traces without end and without measure: memory has a bound, and what leaves goes whole."""

from tollway.tracing import RatioSlowSampler, testing
from tollway.tracing._worker import SpanWorker
from tollway.tracing.store import FileStore, FileStoreProcessor


def capture(**sampler):
    return testing.capture(RatioSlowSampler(0.0, **sampler), set_global=False)


def run_many_steps(captured):
    tracer = captured.provider.get_tracer("lib")
    with tracer.start_as_current_span("root") as root:
        for _ in range(2_000):
            tracer.start_span("step").end()
        root.set_status("ERROR")


def test_roots_that_never_end_are_given_up_beyond_the_bound():
    with capture(max_held_spans=10) as captured:
        tracer = captured.provider.get_tracer("lib")
        for _ in range(100):
            tracer.start_span("stream")
        assert 10 >= len(captured.provider.engine.open)
        assert 0 < captured.provider.counts.dropped_traces["evicted"]


def test_a_root_that_was_given_up_and_fails_is_kept():
    with capture(max_held_spans=10) as captured:
        tracer = captured.provider.get_tracer("lib")
        streams = [tracer.start_span("stream") for _ in range(100)]
        streams[0].set_status("ERROR")
        streams[0].end()
        assert ["stream"] == [span.name for span in captured.spans]


def test_a_trace_larger_than_the_queue_keeps_its_root(tmp_path):
    store = FileStore(tmp_path)
    with capture() as captured:
        captured.provider.add_span_processor(FileStoreProcessor(store, max_queue_spans=100))
        run_many_steps(captured)
        captured.provider.force_flush()
    (trace,) = store.search()
    assert ("root", 2_001, "error") == (trace.root_name, trace.span_count, trace.kept_because)


class Wrapped(FileStoreProcessor):
    """Has an `on_end` of its own, and inherits the way for many spans."""

    seen = 0

    def on_end(self, span):
        self.seen += 1


def test_a_processor_with_an_on_end_of_its_own_hears_of_every_span(tmp_path):
    """Redaction that is put before the store must not be gone round."""
    wrapped = Wrapped(FileStore(tmp_path))
    with capture() as captured:
        captured.provider.add_span_processor(wrapped)
        run_many_steps(captured)
        assert (2_001, 2_001) == (wrapped.seen, len(captured.spans))


class Nothing:
    held_spans = 0

    def consume(self, spans, *, flush):
        return True

    def stop(self): ...
    def close(self): ...
    def after_fork(self): ...


def test_a_full_queue_takes_no_second_trace_past_its_size():
    worker = SpanWorker(
        Nothing(), name="test", max_queue_spans=3, interval_s=1.0, wait=lambda event, _: event.wait()
    )
    worker._thread = object()  # none is started
    worker.put_all(range(5))
    worker.put_all(range(5))
    assert (5, 5) == (worker.queued, worker.dropped)
