"""`tollway traces sql`: what is asked of a store in SQL."""

import csv
import io
import sys

import duckdb
import pytest


@pytest.fixture
def two(writer):
    """An answer, and a failure a minute later."""
    return (
        writer.write("POST /chat", 20, user__id="ada", tokens=87),
        writer.write("POST /chat", 300, after_ms=60_000, error="it fell silent"),
    )


def test_traces_spans_and_events_are_tables(as_json, two):
    """With attributes as JSON, and times in UTC."""
    assert [{"status": "ERROR", "n": 1}, {"status": "OK", "n": 1}] == as_json(
        "traces", "sql", "SELECT status, count(*) AS n FROM traces GROUP BY status ORDER BY status"
    )
    assert [
        {
            "trace_id": two[0],
            "name": "chat gpt-4",
            "tokens": 87,
            "attributes": {"user.id": "ada", "tokens": 87},
        }
    ] == (
        as_json(
            "traces",
            "sql",
            "SELECT trace_id, name, (attributes->'tokens')::INT AS tokens, attributes"
            " FROM spans WHERE tokens IS NOT NULL",
        )
    )
    (event,) = as_json(
        "traces",
        "sql",
        "SELECT t.root_name, e.name, epoch_ns(e.time - t.start_time)"
        " FROM Traces t JOIN spans s ON s.trace_id = t.trace_id"
        " JOIN events e ON e.span_id = s.span_id WHERE e.name = 'first token' AND t.status = 'OK'",
    )
    assert ["POST /chat", "first token", 1_000_000] == list(event.values())


def test_every_form_of_a_store_is_read(tollway, as_json, two, tmp_path, writer):
    """What is sealed, what came late, and what lies in a file; each span once."""
    count = "SELECT (SELECT count(*) FROM spans) AS spans, (SELECT count(*) FROM traces) AS traces"
    (before,) = as_json("traces", "sql", count)
    assert "2 traces sealed" in tollway("traces", "seal").stdout
    assert [before] == as_json("traces", "sql", count)
    writer.write("POST /late", 5)
    assert [{"spans": before["spans"] + 2, "traces": 3}] == as_json("traces", "sql", count)


def test_traces_of_a_time_only(as_json, two):
    query = ("traces", "sql", "SELECT count(*) AS n FROM spans")
    assert [{"n": 4}] == as_json(*query)
    (first,) = as_json("traces", "sql", "SELECT min(start_time) AS at FROM traces")
    assert [{"n": 2}] == as_json(*query, "--until", first["at"].replace(" ", "T") + "+00:00")


def test_rows_are_a_table_csv_or_a_parquet_file(tollway, two, tmp_path):
    query = ("traces", "sql", "SELECT root_name, status, duration_ms FROM traces ORDER BY start_ns")
    header, first, _ = tollway(*query).stdout.splitlines()
    assert ["root_name", "status", "duration_ms"] == header.split()
    assert ["POST", "/chat", "OK", "20"] == first.split()
    rows = list(csv.reader(io.StringIO(tollway(*query, "--csv").stdout)))
    assert [["root_name", "status", "duration_ms"], ["POST /chat", "OK", "20.0"]] == rows[:2]
    assert 0 == tollway(*query, "--parquet", "it's.parquet").exit_code
    found = duckdb.read_parquet(str(tmp_path / "it's.parquet")).fetchall()
    assert [("POST /chat", "OK", 20.0), ("POST /chat", "ERROR", 300.0)] == found
    assert 2 == tollway(*query, "--csv", "--json").exit_code


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "COPY traces TO 'stolen.csv'",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM 'https://example.com/a.parquet'",
        "SET enable_external_access = true",
    ],
)
def test_a_query_reads_and_writes_nothing_but_the_store(tollway, two, tmp_path, query):
    """No file, no network, no extension, and no way to turn that off."""
    before = sorted(one.name for one in tmp_path.iterdir())
    result = tollway("traces", "sql", query)
    assert 2 == result.exit_code
    assert "Error" in result.stderr
    assert before == sorted(one.name for one in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT nothing FROM traces", "nothing"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "write one statement"),
        ("", "write one statement"),
    ],
)
def test_a_query_that_is_wrong_is_said_to_be(tollway, two, query, says):
    result = tollway("traces", "sql", query)
    assert 2 == result.exit_code
    assert says in result.stderr


def test_without_the_extra_the_command_to_install_it_is_said(tollway, two, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    result = tollway("traces", "sql", "SELECT 1")
    assert (1, "tollway traces sql needs DuckDB: pip install 'tollway-gateway[sql]'\n") == (
        result.exit_code,
        result.stderr,
    )
