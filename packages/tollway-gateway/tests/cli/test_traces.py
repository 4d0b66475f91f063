"""`tollway traces`, over real stores."""

from __future__ import annotations

import re
import shutil

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tollway.gateway.cli.main import main

from .conftest import MS, START_NS


@pytest.fixture
def three(writer) -> dict[str, str]:
    """Three traces: a quick one, a slow one, a failed one, in this order of time."""
    return {
        "quick": writer.write("POST /quick", 20, user__id="ada", tokens=87),
        "slow": writer.write("POST /slow", 2500, after_ms=1000, session__id="s1"),
        "failed": writer.write("POST /failed", 300, after_ms=2000, error="it fell silent"),
    }


def ids(rows: list[dict[str, str]]) -> list[str]:
    return [row["trace_id"] for row in rows]


def test_list_prints_the_newest_first(tollway, three):
    result = tollway("traces", "list")
    assert 0 == result.exit_code
    header, *rows = result.stdout.splitlines()
    assert header.startswith("trace id")
    assert [three["failed"], three["slow"], three["quick"]] == [row.split()[0] for row in rows]
    assert re.search(r"300 ms +ERROR +2 +error +POST /failed$", rows[0])
    assert "2.5 s" in rows[1]


FILTERS = {
    ("--status", "error"): ["failed"],
    ("--min-duration", "300ms"): ["failed", "slow"],
    ("--max-duration", "20"): ["quick"],
    ("--min-duration", "0.1s", "--max-duration", "1s"): ["failed"],
    ("--since", "2026-11-25T07:00:01+00:00"): ["failed", "slow"],
    ("--until", "2026-11-25T07:00:00+00:00"): ["quick"],
    ("--name", "POST /s*"): ["slow"],
    ("--attribute", "tokens=87"): ["quick"],
    ("--attribute", "tokens=87", "--attribute", "user.id=eve"): [],
    ("--session", "s1"): ["slow"],
    ("--user", "ada"): ["quick"],
    ("--text", "FELL silent"): ["failed"],
    ("--order-by", "slowest"): ["slow", "failed", "quick"],
    ("--order-by", "oldest", "--limit", "1"): ["quick"],
    ("--since", "5200w"): ["failed", "slow", "quick"],
    ("--until", "5200w"): [],
}


@pytest.mark.parametrize("options", FILTERS, ids=" ".join)
def test_filters(as_json, three, options: tuple[str, ...]):
    """Each option is the filter of `search_traces` that it is called after."""
    found = ids(as_json("traces", "list", *options))
    assert [three[name] for name in FILTERS[options]] == found


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "yesterday"),
        ("--min-duration", "soon"),
        ("--min-duration", "-1"),
        ("--max-duration", "nan"),
        ("--attribute", "novalue"),
        ("--status", "fine"),
        ("--order-by", "random"),
        ("--limit", "0"),
        ("--nope",),
    ],
    ids=" ".join,
)
def test_bad_options_end_with_2(tollway, three, options: tuple[str, ...]):
    """And say what they take."""
    result = tollway("traces", "list", *options)
    assert 2 == result.exit_code
    assert "Error" in result.stderr
    assert "" == result.stdout


def test_nothing_found_is_said_on_stderr(tollway, three):
    result = tollway("traces", "list", "--name", "nobody")
    assert (0, "") == (result.exit_code, result.stdout)
    assert "No traces in traces match." in result.stderr


@pytest.mark.parametrize(
    "command",
    [("list",), ("show", "ab"), ("stats",), ("reindex",), ("verify",), ("prune", "--older-than", "1d")],
    ids=lambda command: command[0],
)
def test_no_store_is_said(tollway, command: tuple[str, ...]):
    """A folder that is not there is most often the wrong folder: no command makes it."""
    result = tollway("traces", *command)
    assert 1 == result.exit_code
    assert "there is no folder 'traces': name" in result.stderr


def test_another_store(as_json, tollway, three, tmp_path):
    shutil.move(tmp_path / "traces", tmp_path / "elsewhere")
    assert 3 == len(as_json("traces", "list", "--store", "elsewhere"))


def test_show_prints_a_tree(tollway, three):
    """Spans under their parents, each with duration, status, times of its own and events."""
    result = tollway("traces", "show", three["failed"])
    head, root, child, event = result.stdout.splitlines()
    assert head.startswith(three["failed"])
    assert head.endswith("300 ms  ERROR  2 spans  kept because: error")
    assert "└── POST /failed  300 ms  SERVER  ERROR it fell silent  self 150 ms  critical 150 ms" == root
    assert "    └── chat gpt-4  150 ms  ERROR it fell silent  critical 150 ms" == child
    assert "        └── • first token  at 1 ms  index=0" == event


def test_show_takes_the_beginning_of_an_id(tollway, writer, three):
    """As git does; what fits more than one trace is refused with the ones that it fits."""
    assert three["slow"] in tollway("traces", "show", three["slow"][:12].upper()).stdout
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for low in (1, 2):
        context = trace.SpanContext(0xABC << 116 | low, 1, is_remote=True, trace_flags=trace.TraceFlags(1))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
        provider.get_tracer("t").start_span("s", parent, start_time=START_NS).end(START_NS + MS)
    writer.store.write([[span] for span in exporter.get_finished_spans()])
    result = tollway("traces", "show", "abc0")
    assert 1 == result.exit_code
    assert "2 traces begin with abc0: abc00000000000000000000000000001, abc0" in result.stderr


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ("f" * 32, 1, "there is no trace ffff"),
        ("0123456", 1, "there is no trace 0123456"),
        ("xyz", 2, "is not a trace id"),
        ("../../etc/passwd", 2, "is not a trace id"),
        ("", 2, "is not a trace id"),
    ],
)
def test_show_says_when_there_is_none(tollway, three, given: str, code: int, said: str):
    result = tollway("traces", "show", given)
    assert code == result.exit_code
    assert said in result.stderr


def test_show_as_json_is_the_whole_trace(as_json, three):
    whole = as_json("traces", "show", three["quick"])
    assert (three["quick"], 20.0, "OK") == (whole["trace_id"], whole["duration_ms"], whole["status"])
    child, root = sorted(whole["spans"], key=lambda span: span["parent_id"] is None)
    assert root["span_id"] == child["parent_id"]
    assert {"user.id": "ada", "tokens": 87} == child["attributes"]
    assert [("first token", {"index": 0})] == [(e["name"], e["attributes"]) for e in child["events"]]


def test_show_prints_what_spans_carry(tollway, writer):
    """Inputs and outputs first, each value cut at a length that a terminal bears."""
    trace_id = writer.write(
        "r", 1, tollway__inputs='{"question":"why"}', tollway__outputs="because", long="x" * 1000
    )
    said = tollway("traces", "show", trace_id, "--attributes").stdout
    assert 'inputs  {"question":"why"}' in said
    assert "outputs  because" in said
    assert f"long  {'x' * 200}…" in said


def test_a_deep_trace_is_shown_whole(tollway, writer):
    """Agents nest deeper than Python's stack and a terminal's width."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")
    context = None
    spans = []
    for depth in range(2000):
        span = tracer.start_span(f"level {depth}", context, start_time=START_NS)
        context = trace.set_span_in_context(span)
        spans.append(span)
    for span in reversed(spans):
        span.end(START_NS + MS)
    writer.store.write([exporter.get_finished_spans()])
    said = tollway("traces", "show", f"{spans[0].get_span_context().trace_id:032x}").stdout
    assert "level 1999" in said


def test_stats_sum_up(tollway, as_json, three):
    """Throughput, percentiles by span name, errors grouped with a trace to look at."""
    said = tollway("traces", "stats").stdout
    assert said.startswith("3 traces, 1 with errors; 1.5 a second over 2 s\n")
    assert re.search(r"chat gpt-4 +3 +1 +150 ms +1.25 s +1.25 s +1.25 s", said)
    assert re.search(rf"timeout +chat gpt-4 +1 +it fell silent +{three['failed']}", said)
    summed = as_json("traces", "stats", "--status", "ERROR")
    assert (1, 1) == (summed["traces"], summed["errors"])
    assert "timeout" in [group["type"] for group in summed["error_groups"]]


def test_stats_sum_up_what_calls_cost(tollway, writer):
    """In plain decimals, as vendors bill."""
    for after_ms in (0, 1000):
        writer.write("POST /chat", 20, after_ms=after_ms, gen_ai__usage__cost=0.0000015)

    said = tollway("traces", "stats").stdout

    assert "2 traces, 0 with errors; 2 a second over 1 s; 0.000003 USD\n" in said
    assert re.search(r"chat gpt-4 +2 .* 0\.000003$", said, re.MULTILINE)


def test_stats_say_when_they_are_of_some_only(tollway, three):
    assert "2 traces (the newest; --limit takes more)" in tollway("traces", "stats", "--limit", "2").stdout


def test_verify_and_reindex(tollway, as_json, three, tmp_path):
    """Lost indexes are told, and made anew."""
    assert 0 == tollway("traces", "verify").exit_code
    shutil.rmtree(tmp_path / "traces" / "indexes")
    result = tollway("traces", "verify")
    assert 1 == result.exit_code
    assert "3 are not in the indexes: run tollway traces reindex" in result.stdout
    assert "3 traces indexed." in tollway("traces", "reindex").stdout
    assert {
        "traces": 3,
        "torn_lines": 0,
        "unindexed": [],
        "missing": [],
        "damaged": [],
        "ok": True,
    } == as_json("traces", "verify")


def test_prune_removes_whole_old_days(tollway, as_json, three):
    """Only what is asked for goes; no option is no permission."""
    assert 2 == tollway("traces", "prune").exit_code
    assert 2 == tollway("traces", "prune", "--older-than", "long").exit_code
    assert "0 traces removed" in tollway("traces", "prune", "--older-than", "5200w").stdout
    assert 3 == len(as_json("traces", "list"))


def test_prune_by_size(tollway, writer, as_json):
    """The oldest days go until the rest fits."""
    writer.write("old", 1, after_ms=-400 * 86_400_000)
    assert "1 traces removed" in tollway("traces", "prune", "--max-size", "0B").stdout


def test_days_that_are_over_are_sealed_and_unsealed(tollway, tmp_path, writer, as_json):
    """Other commands read them as before; what cannot be done is said in a line."""
    trace_id = writer.write("old", 1, after_ms=-400 * 86_400_000)
    (day,) = (one.name for one in (tmp_path / "traces").glob("20*"))
    assert 2 == tollway("traces", "seal", day, "--older-than", "1d").exit_code
    assert "1 traces sealed" in tollway("traces", "seal", "--older-than", "300d").stdout
    assert not list((tmp_path / "traces" / day).glob("*.json"))
    assert [trace_id] == ids(as_json("traces", "list"))
    assert trace_id == as_json("traces", "show", trace_id[:9])["trace_id"]
    assert "1 traces, 0 torn lines." in tollway("traces", "verify").stdout
    assert "1 traces unsealed" in tollway("traces", "unseal", day).stdout
    refused = tollway("traces", "unseal", day)
    assert (1, f"nothing of {day} is sealed\n") == (refused.exit_code, refused.stderr)
    (segment,) = _sealed(tollway, tmp_path / "traces" / day)
    segment.write_bytes(b"nothing of that kind")
    damaged = tollway("traces", "verify")
    assert 1 == damaged.exit_code
    assert f"segment {day}/{segment.name} is damaged" in damaged.stdout


def _sealed(tollway, day):
    tollway("traces", "seal", day.name)
    return (day / "sealed").glob("*.seg")


def test_the_bar_is_for_terminals(tollway, three):
    """A pipe gets no bar."""
    assert "" == tollway("traces", "list", "--text", "POST").stderr


def test_main_is_the_script(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tollway", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert 0 == ended.value.code
    assert capsys.readouterr().out.startswith("tollway ")
