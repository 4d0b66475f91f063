"""The CPU of a kept trace in the writer, and of a received span: `python benchmarks/store/writer.py`.

The folder (`--path`) should be on a real disk: on tmpfs a file costs next to nothing. Traces are a gateway's,
of two spans. Prints microseconds of CPU, user and system, of this process.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable
from pathlib import Path

from dirty import make_dirty
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import set_span_in_context

from tollway.tracing import RatioSlowSampler, TracerProvider
from tollway.tracing.receiving import TraceReceiver, read
from tollway.tracing.store import FileStore, FileStoreProcessor

TRACES = 20_000
STEP = 128


def made(traces: int) -> list[ReadableSpan]:
    """Return the spans of traces as they end."""
    ended: list[ReadableSpan] = []
    collector = SpanProcessor()
    collector.on_end = ended.append  # type: ignore[method-assign]  # takes the place of the store
    provider = TracerProvider(
        RatioSlowSampler(), Resource({"service.name": "gateway"}), shutdown_on_exit=False, timer=False
    )
    provider.add_span_processor(collector)
    tracer = provider.get_tracer("bench")
    for n in range(traces):
        request = {"http.request.method": "POST", "url.path": "/v1/chat/completions", "server.port": 8000}
        root = tracer.start_span("POST /v1/chat/completions", attributes=request)
        call = {
            "gen_ai.request.model": "gpt-4",
            "gen_ai.usage.input_tokens": n % 99,
            "gen_ai.response.id": f"x{n}",
        }
        child = tracer.start_span("chat gpt-4", set_span_in_context(root), attributes=call)
        child.end()
        root.set_attribute("http.response.status_code", 200)
        root.end()
    return ended


def cpu_us(work: Callable[[], None], count: int) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    user, system = ((after[part] - before[part]) * 1e6 / count for part in (0, 1))
    return f"{user + system:6.1f} us (user {user:.1f}, system {system:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--dirty", action="store_true", help="delete 100,000 files there before")
    arguments = parser.parse_args()
    if arguments.dirty:
        make_dirty(arguments.path)
    with tempfile.TemporaryDirectory(dir=arguments.path) as folder:
        spans, store = made(TRACES), FileStore(Path(folder) / "traces")
        writer = FileStoreProcessor(store, interval_s=3600.0)._writer

        def write() -> None:
            for start in range(0, len(spans), STEP):
                writer.consume(spans[start : start + STEP], flush=False)
            writer.consume([], flush=True)

        print(f"a kept trace, to the journal and the indexes   {cpu_us(write, TRACES)}")
        print(f"its file, in a quiet moment                    {cpu_us(store.settle, TRACES)}")
        kept: list[object] = []
        receiver = TraceReceiver(kept.append, RatioSlowSampler())
        bodies = [encode_spans(spans[at : at + 500]).SerializeToString() for at in range(0, len(spans), 500)]

        def receive() -> None:
            for body in bodies:
                receiver.take(read(body, "application/x-protobuf"))

        print(f"a received span in protobuf, read and decided  {cpu_us(receive, len(spans))}")


if __name__ == "__main__":
    main()
