"""`tollway traces` beyond lists: queries as on the pages, `diff`, `report`, `show` and `stats --by`."""

from __future__ import annotations

from pathlib import Path

from .conftest import Tollway, Writer


def test_a_query_is_what_the_pages_take(tollway: Tollway, as_json, writer: Writer):
    """In one argument or in several; the shell's own quotes are enough."""
    slow = writer.write("POST /orders now", 1500, error="x", gen_ai__request__model="gpt-4")
    writer.write("GET /", 5)
    for words in (
        ["status:error"],
        ["status:error duration:>1s"],
        ["duration:1s..", "model:gpt-*"],
        ["name:POST /orders now"],
    ):
        assert [slow] == [trace["trace_id"] for trace in as_json("traces", "list", *words)], words
    wrong = tollway("traces", "list", "stauts:error")
    assert 2 == wrong.exit_code
    assert "did you mean status:?" in wrong.stderr


def test_two_traces_differ(tollway: Tollway, as_json, writer: Writer):
    one, other = writer.write("GET /", 10), writer.write("GET /", 30)
    shown = tollway("traces", "diff", one, other).stdout
    assert "slower" in shown
    assert "+20 ms" in shown
    pairs = as_json("traces", "diff", one[:12], other)["pairs"]
    assert ["slower", "slower"] == [pair["change"] for pair in pairs]


def test_a_report_is_written(tollway: Tollway, writer: Writer, tmp_path: Path):
    trace_id = writer.write("GET /", 10)
    assert 0 == tollway("traces", "report", "-o", "report.html").exit_code
    assert trace_id in (tmp_path / "report.html").read_text()


def test_show_says_where_the_time_went(tollway: Tollway, writer: Writer):
    """A span's own time, and how much of it the whole waited for."""
    lines = tollway("traces", "show", writer.write("GET /", 10)).stdout.splitlines()
    assert "self 5 ms" in lines[1]
    assert "critical 5 ms" in lines[1]
    assert "critical 5 ms" in lines[2]


def test_traces_are_summed_up_by_what_they_say(tollway: Tollway, as_json, writer: Writer):
    """Sessions and keys by their traces, models by their calls; tokens and cost are added up."""
    usage = {"gen_ai__usage__input_tokens": 5, "gen_ai__usage__output_tokens": 7, "gen_ai__usage__cost": 0.5}
    for ms in (10, 20):
        writer.write("GET /", ms, gen_ai__request__model="m", session__id="s", **usage)
    writer.write("GET /", 1)
    (session,) = as_json("traces", "stats", "--by", "session")
    assert ("s", 2, 20.0) == (session["name"], session["count"], session["max_ms"])
    (model,) = as_json("traces", "stats", "--by", "model")
    assert ("m", 2, 10.0) == (model["name"], model["count"], model["max_ms"])
    assert (10, 14, 1.0) == (model["input_tokens"], model["output_tokens"], model["cost_usd"])
    assert "No trace says its key" in tollway("traces", "stats", "--by", "key").stderr
