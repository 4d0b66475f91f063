"""Sealed days: `python benchmarks/store/sealed.py [--traces N] [--requests N] [--path FOLDER]`.

First the gateway's own traces: a gateway with a model service beside it answers requests, its day is sealed,
and the bytes of a span are compared. Then a million of such traces over 30 days, made of those with other
ids, times and durations, 2 % failed, and written as a seal writes them: searches and `get_trace` on these,
warm, medians. A store that is there already is searched as it is.
"""

import argparse
import json
import random
import socket
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from statistics import median

import httpx

from tollway.tracing.store import FileStore, Summary, seal
from tollway.tracing.store._segment_writer import SegmentWriter, dictionary_of
from tollway.tracing.summary import day_of

DAYS = 30
DAY_NS = 86_400_000_000_000
FIRST_NS = 1_793_491_200_000_000_000  # 2026-11-01T00:00:00Z
ROUNDS = 15
SENDERS = 8

QUESTIONS = {
    "newest 50": {},
    "slowest 50": {"order_by": "slowest"},
    "failed 50": {"status": "ERROR"},
    "slower than 30 s, newest 50": {"min_duration_ms": 30_000},
}

CONFIG = """
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-4o-mini
      config: {{openai_api_key: k, openai_api_base: "{upstream}/v1"}}
tracing: {{sampling_rate: 1, store: "{store}"}}
"""


class Model(BaseHTTPRequestHandler):
    """Answers chats, each with an id and counts of its own; one in fifty fails."""

    protocol_version = "HTTP/1.1"
    rng = random.Random(1)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        tokens = int(self.rng.lognormvariate(6, 1))
        answer = {
            "id": "chatcmpl-" + "".join(self.rng.choices(string.ascii_letters + string.digits, k=29)),
            "object": "chat.completion",
            "created": 1_796_000_000,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": tokens, "completion_tokens": 9, "total_tokens": tokens + 9},
        }
        data = json.dumps(answer).encode()
        self.send_response(500 if self.rng.random() < 0.02 else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def gateway_traces(folder: Path, requests: int) -> Path:
    """Have a gateway answer requests; return its store, every trace with its file."""
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    store, config, port = folder / "traces", folder / "gateway.yaml", free_port()
    config.write_text(CONFIG.format(upstream=f"http://127.0.0.1:{model.server_port}", store=store))
    command = [Path(sys.executable).parent / "tollway", "gateway", "start", "--config-path", config]
    gateway = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    _until(lambda: httpx.get(f"{url}/health").status_code == 200)

    def send() -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            for n in range(requests // SENDERS):
                asked = [{"role": "user", "content": "hi"}]
                body = {"model": "chat", "messages": asked, "user": f"u{n % 97}"}
                client.post("/v1/chat/completions", json=body)

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    gateway.terminate()
    gateway.wait(60)
    model.shutdown()
    files = FileStore(store)
    files.adopt()
    files.settle()
    return store


def _until(true: Callable[[], bool], limit_s: float = 60) -> None:
    until_s = time.monotonic() + limit_s
    while time.monotonic() < until_s:
        try:
            if true():
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise SystemExit("the gateway does not start")


def fakes(traces: int) -> Iterator[tuple[str, Summary]]:
    """Yield ids and summaries by start, the same every time."""
    rng = random.Random(1)
    for n in range(traces):
        duration_ns = int(rng.lognormvariate(5, 1.5) * 1e6)
        start_ns = FIRST_NS + n * DAYS * DAY_NS // traces + rng.randrange(1_000_000)
        status = "ERROR" if rng.random() < 0.02 else "OK"
        trace_id = f"{rng.getrandbits(128):032x}"
        facts = (status, "POST /v1/chat/completions", "ratio", 2, "gateway", True)
        yield trace_id, Summary(trace_id, start_ns, duration_ns, *facts)


class Template:
    """A trace's line, of which ids and times are written anew."""

    def __init__(self, line: bytes) -> None:
        self.rest = line[line.index(b',"resourceSpans"') :]
        item = json.loads(line)
        spans = item["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.trace_id: str = item["traceId"]
        self.span_ids = [span["spanId"] for span in spans]
        self.times = sorted({span[key] for span in spans for key in ("startTimeUnixNano", "endTimeUnixNano")})
        self.answers = [
            one["value"]["stringValue"]
            for span in spans
            for one in span["attributes"]
            if one["key"] == "gen_ai.response.id"
        ]

    def line(self, summary: Summary, rng: random.Random) -> bytes:
        rest = self.rest.replace(self.trace_id.encode(), summary.trace_id.encode())
        for one in self.span_ids:
            rest = rest.replace(one.encode(), b"%016x" % rng.getrandbits(64))
        for one in self.times:
            at_ns = summary.start_ns + rng.randrange(summary.duration_ns + 1)
            rest = rest.replace(one.encode(), b"%d" % at_ns)
        for one in self.answers:
            fresh = "chatcmpl-" + "".join(rng.choices(string.ascii_letters + string.digits, k=29))
            rest = rest.replace(one.encode(), fresh.encode())
        return b'{"traceId":"%b","summary":%b%b' % (summary.trace_id.encode(), summary.to_json(), rest)


def write_sealed(store: FileStore, templates: list[Template], traces: int) -> None:
    """Write a segment for each day."""
    rng = random.Random(2)
    samples = [templates[n % len(templates)].line(one, rng) for n, (_, one) in enumerate(fakes(1_500))]
    dictionary = dictionary_of(samples)
    for day, some in groupby(fakes(traces), key=lambda one: day_of(one[1].start_ns)):
        path = store.sealed.segment_file(day, "one.seg")
        store.layout.files.make_folder(path)
        writer = SegmentWriter(store.layout.files, path, dictionary)
        for n, (trace_id, summary) in enumerate(some):
            writer.add(trace_id, templates[n % len(templates)].line(summary, rng), summary)
        writer.finish()
        store.sealed.write_list(day, ["one.seg"])


def timed_ms(work: Callable[[], object]) -> tuple[float, float]:
    """Return the median of the wall time and of the CPU time."""
    work()
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        work()
        walls.append((time.perf_counter() - wall_s) * 1000)
        cpus.append((time.process_time() - cpu_s) * 1000)
    return median(walls), median(cpus)


def measure(store: FileStore, traces: int) -> None:
    sealed = [segment for day in store.sealed.days() for segment in store.sealed.day(day).segments]
    size, spans = sum(one.bytes for one in sealed), sum(one.spans for one in sealed)
    print(f"{sum(one.count for one in sealed)} sealed traces: {size / spans:.0f} bytes a span")
    ids = iter([trace_id for trace_id, _ in fakes(traces)][:: max(1, traces // 1_000)] * 3)
    questions: dict[str, Callable[[], object]] = {
        name: lambda options=options: store.search(limit=50, **options) for name, options in QUESTIONS.items()
    }
    questions["get_trace, its spans read"] = lambda: store.get(next(ids)).spans  # type: ignore[union-attr]  # it is there
    for name, work in questions.items():
        wall_ms, cpu_ms = timed_ms(work)
        print(f"{name:30} {wall_ms:8.2f} ms   (CPU {cpu_ms:.2f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--path", type=Path, help="keep the sealed store here, and use it again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = gateway_traces(Path(folder), arguments.requests)
        lines = [file.read_bytes() for file in sorted(path.glob("*/*.json"))]
        done = seal(FileStore(path, now_ns=lambda: time.time_ns() + 2 * DAY_NS))
        print(f"{done.traces} traces of a gateway, {done.spans} spans")
        print(f"files, bytes a span           {done.bytes_before / done.spans:8.0f}")
        print(f"sealed, bytes a span          {done.bytes / done.spans:8.0f}")
        store = FileStore(arguments.path or f"{folder}/million")
        if not store.sealed.days():
            whole = [line for line in lines if line.count(b'"spanId"') == 2 and line.count(b"\n") == 1]
            write_sealed(store, [Template(line) for line in whole[:500]], arguments.traces)
        measure(store, arguments.traces)


if __name__ == "__main__":
    main()
