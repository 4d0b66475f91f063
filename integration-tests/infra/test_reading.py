"""One suite for every reader of traces: the file store and Jaeger say the same of the same spans."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import traced
from support.backends import Collector, Jaeger
from support.serving import TOLLWAY, environment
from tollway.tracing.readers.jaeger import JaegerError, JaegerReader
from tollway.tracing.store import FileStore, TraceReader

SERVICE = "read-back"

PROGRAM = """
import time
tracing.configure(service_name=sys.argv[1], store=sys.argv[2], otlp=sys.argv[3])
from opentelemetry import trace
tracer = trace.get_tracer("the-scope", "1")
base_ns = time.time_ns() - 60_000_000_000
made = {}
for n, (name, ms, status) in enumerate([("fast", 5, "OK"), ("slow", 2500, "UNSET"), ("failed", 40, "ERROR")]):
    start_ns = base_ns + n * 1_000_000_000
    end_ns = start_ns + ms * 1_000_000 + 789
    root = tracer.start_span(name, start_time=start_ns, kind=trace.SpanKind.SERVER)
    link = trace.Link(trace.SpanContext(0xABC, 0xDEF, False))
    child = tracer.start_span(
        "child", trace.set_span_in_context(root), start_time=start_ns + 1_000_001, links=[link]
    )
    child.set_attributes({"n": n, "x": 0.5, "yes": True, "tags": ["a", "b"], "user.id": f"user-{n}"})
    child.set_attribute("tollway.inputs", json.dumps({"question": name}))
    child.add_event("cache_miss", {"key": f"key-{n}"}, start_ns + 2_000_003)
    if status == "ERROR":
        child.set_status(trace.StatusCode.ERROR, "API timeout")
    elif status == "OK":
        root.set_status(trace.StatusCode.OK)
    child.end(end_ns - 1_000_000)
    root.end(end_ns)
    made[name] = hex_id(root)
assert tracing.flush()
say(made)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read-back") / "traces"


@pytest.fixture(scope="module")
def made(jaeger: Jaeger, collector: Collector, folder: Path) -> dict[str, str]:
    """Trace ids by name; the traces are in the store and, through the collector, in Jaeger."""
    ids: dict[str, str] = traced.run(PROGRAM, SERVICE, str(folder), collector.http_url)
    for trace_id in ids.values():
        jaeger.wait_for(trace_id, 2)
    return ids


@pytest.fixture(params=["files", "jaeger"])
def reader(request: pytest.FixtureRequest, made: dict[str, str], folder: Path, jaeger: Jaeger) -> TraceReader:
    return FileStore(folder) if request.param == "files" else JaegerReader(jaeger.query_url)


Find = Callable[..., list[str]]


@pytest.fixture
def find(reader: TraceReader) -> Find:
    """Searches among the traces of this module alone: the Jaeger is shared with others."""

    def search(**filters: Any) -> list[str]:
        attribute = {"service.name": SERVICE, **filters.pop("attribute", {})}
        found = reader.search(attribute=attribute, **filters)
        return [str(trace.root_name) for trace in found]

    return search


def test_a_trace_is_read_whole(reader: TraceReader, made: dict[str, str]):
    """Summary, tree, times to the nanosecond, attributes in their types, events, links and status."""
    trace = reader.get(made["failed"])
    assert trace is not None
    assert ("ERROR", "failed", SERVICE, 2, "ratio") == (
        trace.status,
        trace.root_name,
        trace.service,
        trace.span_count,
        trace.kept_because,
    )
    assert 40_000_789 == trace.summary.duration_ns
    (root,) = trace.roots
    (child,) = trace.children(root)
    assert ("SERVER", None, SERVICE, "the-scope") == (root.kind, root.parent_id, root.service, root.scope)
    assert 1_000_001 == child.start_ns - root.start_ns
    assert {"n": 2, "x": 0.5, "yes": True, "tags": ("a", "b"), "user.id": "user-2"} == {
        key: child.attributes[key] for key in ("n", "x", "yes", "tags", "user.id")
    }
    assert {"question": "failed"} == child.inputs
    assert ("ERROR", "API timeout") == (child.status, child.status_message)
    assert ((f"{0xABC:032x}", f"{0xDEF:016x}"),) == child.links
    (event,) = child.events
    assert ("cache_miss", {"key": "key-2"}) == (event.name, dict(event.attributes))
    assert 2_000_003 == event.time_ns - root.start_ns


def test_an_unknown_trace_is_none(reader: TraceReader):
    assert reader.get("f" * 32) is None


@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        ("newest", ["failed", "slow", "fast"]),
        ("oldest", ["fast", "slow", "failed"]),
        ("slowest", ["slow", "failed", "fast"]),
        ("fastest", ["fast", "failed", "slow"]),
    ],
)
def test_the_order_is_the_one_asked_for(find: Find, order_by: str, names: list[str]):
    assert names == find(order_by=order_by)
    assert names[:2] == find(order_by=order_by, limit=2)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"status": "error"}, ["failed"]),
        ({"status": "OK"}, ["slow", "fast"]),
        ({"min_duration_ms": 40}, ["failed", "slow"]),
        ({"max_duration_ms": 40.001}, ["failed", "fast"]),
        ({"name": "f*"}, ["failed", "fast"]),
        ({"attribute": {"n": 1}}, ["slow"]),
        ({"attribute": {"n": "1"}}, ["slow"]),
        ({"user": "user-0"}, ["fast"]),
        ({"session": "none"}, []),
        ({"text": "api TIME"}, ["failed"]),
        ({"text": "key-1"}, ["slow"]),
    ],
    ids=str,
)
def test_filters_say_the_same_everywhere(find: Find, filters: dict[str, Any], names: list[str]):
    assert names == find(**filters)


def test_the_bounds_of_time_are_those_of_the_traces_start(reader: TraceReader, find: Find, made):
    """Both ends are included; nothing before an hour ago, nothing after now."""
    trace = reader.get(made["slow"])
    assert trace is not None
    after = trace.start_time + timedelta(microseconds=1)
    assert ["failed"] == find(since=after)
    assert ["slow", "fast"] == find(until=after)
    assert [] == find(until=datetime.now(UTC) - timedelta(hours=1))


def test_words_that_are_none_are_refused(reader: TraceReader):
    with pytest.raises(ValueError, match="status is one of"):
        reader.search(status="bad")
    with pytest.raises(ValueError, match="order_by is one of"):
        reader.search(order_by="best")  # type: ignore[arg-type]  # a wrong value on purpose


def test_a_jaeger_that_is_not_there_is_an_error_with_its_url():
    with pytest.raises(JaegerError, match=r"http://127\.0\.0\.1:1"):
        JaegerReader("http://127.0.0.1:1").get("0" * 32)


def test_jaegers_upload_takes_a_line_of_a_trace_file(made: dict[str, str], folder: Path, jaeger: Jaeger):
    """What its page does with a file that is dropped on it: each line is transformed, and is the trace."""
    (path,) = folder.glob(f"*/{made['failed']}.json")
    (line,) = path.read_bytes().splitlines()
    request = urllib.request.Request(f"{jaeger.query_url}/api/transform", line, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        (trace,) = json.load(answer)["data"]
    assert made["failed"] == trace["traceID"]
    assert {"failed", "child"} == {span["operationName"] for span in trace["spans"]}


def tollway(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*TOLLWAY, "traces", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_the_command_prints_the_same_from_both(made: dict[str, str], folder: Path, jaeger: Jaeger):
    """`tollway traces list|show|stats`, as text and as JSON."""
    of_service = ("--attribute", f"service.name={SERVICE}")
    for asked in (("list", *of_service), ("stats", *of_service), ("show", made["failed"], "--attributes")):
        for form in ((), ("--json",)):
            files = tollway(*asked, *form, "--store", folder)
            remote = tollway(*asked, *form, "--jaeger", jaeger.query_url)
            assert (0, 0) == (files.returncode, remote.returncode), files.stderr + remote.stderr
            same = (
                (json.loads(files.stdout), json.loads(remote.stdout))
                if form
                else (files.stdout, remote.stdout)
            )
            assert same[0] == same[1]
