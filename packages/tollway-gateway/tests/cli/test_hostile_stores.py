"""Stores that hold what others put there: no command fails by it, and no terminal is steered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "evil",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\u202egnp",
        "\u2066",
        "\u200b",
        "a\r\nb",
        "\x7f",
        "\U000e0041",
    ],
)
def test_spans_cannot_steer_the_terminal(tollway, writer, evil: str):
    """Names and values come from callers: every character without a shape is shown as an escape."""
    trace_id = writer.write(
        f"[red]{evil}name", 1, error=evil, **{f"key{evil}": evil, "tollway.inputs": evil, "error.type": evil}
    )
    for command in (("list",), ("show", trace_id, "-a"), ("stats",)):
        for form in ((), ("--json",)):
            said = tollway("traces", *command, *form).stdout
            assert said.replace("\n", "").isprintable()
            assert "[red]" in said
            assert evil not in said


def test_json_means_what_was_stored(as_json, writer):
    """Escapes are those of JSON: a program reads the characters themselves."""
    name = "\x1b[2J\x9b\u202e\u2028\U000e0041Grüße😀\n"
    writer.write(name, 1)
    (found,) = as_json("traces", "list")
    assert name == found["name"]


_HUGE = "9" * 30
_DEEP = '{"arrayValue":{"values":[' * 330 + "{}" + "]}}" * 330
"""About as deep as a reader of JSON goes, and deeper than Python calls itself."""


def _line(**facts: Any) -> bytes:
    summary = {
        "start": "2026-11-25T07:00:00.000000000Z",
        "duration_ms": 1.0,
        "status": "OK",
        "root_name": "r",
        "kept_because": None,
        "span_count": 1,
        "service": None,
        "has_root": True,
    }
    span = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "r",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
    }
    for key, value in facts.items():
        (summary if key in summary else span)[key] = value
    spans = [{"scopeSpans": [{"spans": [span]}]}]
    item = {"traceId": "a" * 32, "summary": summary, "resourceSpans": spans}
    return json.dumps(item).replace('"DEEP"', _DEEP).encode()


ODD_LINES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"traceId":1,"summary":[],"resourceSpans":[]}',
    *(_line(duration_ms=value) for value in (1e400, -1, "1", None, 1e300)),
    *(_line(start=value) for value in ("", "x" * 40, None, "9999-99-99T00:00:00.000000000Z")),
    *(_line(status=value) for value in ("\x1b", None, 3, {"code": 7}, {"code": -1}, {"code": "x"})),
    *(_line(root_name=value) for value in (1, [], {})),
    *(_line(span_count=value) for value in ("1", None, 1.5)),
    *(_line(startTimeUnixNano=value) for value in (_HUGE, "-1", "x", None, 1e400, [])),
    *(_line(endTimeUnixNano=value) for value in (_HUGE, "-1")),
    *(_line(events=value) for value in ([{"timeUnixNano": _HUGE}], [{}], "x", [1])),
    *(_line(attributes=value) for value in ([{"key": 1}], [{}], "x", [{"key": "k", "value": "DEEP"}])),
    *(_line(name=value) for value in (1, None, [])),
    _line(kind=99),
    _line(links=[{"traceId": 1, "spanId": 2}]),
    _line(parentSpanId=3),
]


@pytest.mark.parametrize("line", ODD_LINES)
def test_what_others_put_into_a_store_ends_no_command(tollway, writer, line: bytes):
    """A line that is none of the store's is stepped over; the traces beside it are shown."""
    writer.write("fine", 1)
    path = Path("traces/2026-11-25") / f"{'a' * 32}.json"
    path.write_bytes(line + b"\n")
    for command in (("reindex",), ("list",), ("stats",), ("verify",), ("list", "--text", "fine")):
        assert 0 == tollway("traces", *command).exit_code
    assert "fine" in tollway("traces", "list").stdout
    for form in ((), ("--json",), ("-a",)):
        assert tollway("traces", "show", "a" * 32, *form).exit_code in (0, 1)


@pytest.mark.parametrize(
    "row",
    [
        b"x",
        b"[]",
        b"{}",
        b'["18ea","18ea"]',
        b'["18eaf0c9d7d28e00","18eaf0c9d7d28e00",1,2,3,4,5,6,7,8,9]',
        b'["18eaf0c9d7d28e00","18eaf0c9d7d28e00","%b",1e400,1,"OK","r",null,1,null,true]' % (b"c" * 32),
        b'["18eaf0c9d7d28e00","18eaf0c9d7d28e00","%b",1,%b,"OK","r",null,1,null,true]'
        % (b"c" * 32, b"9" * 30),
        b'["18eaf0c9d7d28e00","18eaf0c9d7d28e00","%b",1,1,"BAD","r",null,1,null,true]' % (b"c" * 32),
        b'["18eaf0c9d7d28e00","18eaf0c9d7d28e00","%b",1,1,"OK",["r"],null,1,null,true]' % (b"c" * 32),
    ],
)
def test_odd_rows_are_stepped_over(tollway, writer, row: bytes):
    writer.write("fine", 1)
    for path in Path("traces/indexes").rglob("*.jsonl"):
        with path.open("ab") as file:
            file.write(row + b"\n")
    for order in ("newest", "oldest", "slowest", "fastest"):
        result = tollway("traces", "list", "--order-by", order, "--max-duration", "1h")
        assert (0, 1) == (result.exit_code, result.stdout.count("fine"))
        assert "r\n" not in result.stdout


@pytest.mark.parametrize("name", ["\u00b2.jsonl", "\u0663.jsonl", "x.jsonl", "-1.jsonl", ".jsonl"])
def test_files_with_other_names_are_no_buckets(tollway, writer, name: str):
    writer.write("fine", 1)
    (Path("traces/indexes/by_duration/2026-11-25") / name).write_bytes(b"x\n")
    for order in ("slowest", "fastest"):
        assert "fine" in tollway("traces", "list", "--order-by", order).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("prune", "--older-than", "9" * 400 + "d"),
        ("prune", "--older-than", "9" * 30 + "d"),
        ("prune", "--max-size", "9" * 400),
        ("list", "--since", "9" * 400 + "d"),
        ("list", "--min-duration", "9" * 400),
        ("list", "--min-duration", "9" * 400 + "s"),
        ("list", "--max-duration", "9" * 30 + "s"),
    ],
)
def test_numbers_that_nothing_is_as_large_as(tollway, writer, arguments: tuple[str, ...]):
    """They are refused, or nothing is found: neither is a traceback."""
    writer.write("fine", 1)
    assert tollway("traces", *arguments).exit_code in (0, 2)
    assert "fine" in tollway("traces", "list").stdout


def test_a_file_with_an_odd_name_is_named_in_printable_characters(tollway, writer):
    writer.write("fine", 1)
    for end in ("\x1b[2J", "\u202e"):
        (Path("traces/2026-11-25") / f"abc{end}.json").write_bytes(b"")
    result = tollway("traces", "show", "abc")
    assert 1 == result.exit_code
    assert result.stderr.replace("\n", "").isprintable()
