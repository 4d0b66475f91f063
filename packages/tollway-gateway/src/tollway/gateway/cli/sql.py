"""SQL over a store: its traces, spans and events as tables of a DuckDB that lives as long as the command.

What the query names is loaded, then the database is closed to the outside: no file, no network, no extension.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson

from .failing import BAD_INPUT, fail

if TYPE_CHECKING:
    from datetime import datetime

    from tollway.tracing.readers import Progress, SpanView, Trace
    from tollway.tracing.store import FileStore

MISSING = "tollway traces sql needs DuckDB: pip install 'tollway-gateway[sql]'"

BATCH = 20_000
"""Rows that go into a table at once."""

MAX_ROW_BYTES = 64 * 1024 * 1024
"""Of a row as JSON: prompts may be long."""

TABLES = {
    "traces": {
        "trace_id": "VARCHAR",
        "start_time": "TIMESTAMP",
        "start_ns": "BIGINT",
        "duration_ms": "DOUBLE",
        "status": "VARCHAR",
        "root_name": "VARCHAR",
        "service": "VARCHAR",
        "kept_because": "VARCHAR",
        "span_count": "BIGINT",
    },
    "spans": {
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "parent_id": "VARCHAR",
        "name": "VARCHAR",
        "kind": "VARCHAR",
        "start_time": "TIMESTAMP",
        "start_ns": "BIGINT",
        "duration_ms": "DOUBLE",
        "status": "VARCHAR",
        "status_message": "VARCHAR",
        "service": "VARCHAR",
        "scope": "VARCHAR",
        "attributes": "JSON",
        "resource": "JSON",
    },
    "events": {
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "name": "VARCHAR",
        "time": "TIMESTAMP",
        "time_ns": "BIGINT",
        "attributes": "JSON",
    },
}
"""The views, and their columns. Times are UTC, in microseconds; those in `_ns` are exact."""

_LATER = {"start_time": "start_ns", "time": "time_ns"}
"""Columns that are made from others."""

_CLOSED: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
}


def run(
    store: FileStore,
    query: str,
    within: tuple[datetime | None, datetime | None],
    *,
    output: str,
    parquet: Path | None,
    progress: Progress,
) -> None:
    """Run a query and print its rows, or write them to a file. Ends with a word where it cannot.

    within: the earliest and the latest start of traces. output: table, json or csv.
    """
    try:
        import duckdb
    except ImportError:
        fail(MISSING)
    with TemporaryDirectory(prefix="tollway-sql-") as folder:
        try:
            with duckdb.connect(f"{folder}/traces.db", config=_CLOSED) as connection:
                _check_single(connection, query)
                _Loader(connection, Path(folder), store, query).load(within, progress)
                _close_off(connection, parquet)
                if parquet is not None:
                    connection.sql(query).write_parquet(str(parquet.absolute()))
                else:
                    _print(connection.execute(query), output)
        except duckdb.Error as error:
            fail(str(error), BAD_INPUT)


def _check_single(connection: Any, query: str) -> None:
    if len(connection.extract_statements(query)) != 1:
        fail("write one statement: SELECT ... FROM traces", BAD_INPUT)


def _close_off(connection: Any, parquet: Path | None) -> None:
    """Leave a query nothing but the tables, and the file that it is written to."""
    if parquet is not None:
        quoted = str(parquet.absolute()).replace("'", "''")
        connection.execute(f"SET allowed_paths = ['{quoted}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


class _Loader:
    """Fills the tables that a query names, from files of JSON lines that go again."""

    def __init__(self, connection: Any, folder: Path, store: FileStore, query: str) -> None:
        self._connection = connection
        self._file = folder / "rows.jsonl"
        self._store = store
        self._wanted = [name for name in TABLES if re.search(rf"\b{name}\b", query, re.IGNORECASE)]

    def load(self, within: tuple[datetime | None, datetime | None], progress: Progress) -> None:
        """Fill them with what is of traces that started within these times."""
        from tollway.tracing.readers import Query

        for name in self._wanted:
            columns = ", ".join(f'"{column}" {kind}' for column, kind in TABLES[name].items())
            self._connection.execute(f"CREATE TABLE {name} ({columns})")
        if not self._wanted:
            return
        query = Query.of(since=within[0], until=within[1], order_by="oldest")
        traces = (trace for trace, _ in self._store.scan(query))
        if self._wanted == ["traces"]:
            for some in _batches(map(_trace_row, traces)):
                self._insert("traces", some)
            return
        known: dict[str, int] = {}
        for some in _batches(traces):
            known.update((trace.trace_id, trace.span_count) for trace in some)
            if "traces" in self._wanted:
                self._insert("traces", map(_trace_row, some))
        self._load_spans(known, progress)

    def _load_spans(self, known: dict[str, int], progress: Progress) -> None:
        done = 0
        for some in _batches(self._store.spans_of(known)):
            for name, rows_of in (("spans", _span_rows), ("events", _event_rows)):
                if name in self._wanted:
                    self._insert(name, rows_of(some))
            done += len(some)
            progress(min(done, sum(known.values())), sum(known.values()))

    def _insert(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        with self._file.open("wb") as file:
            file.writelines(orjson.dumps(row, default=str, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        columns = TABLES[table]
        read = {name: kind for name, kind in columns.items() if name not in _LATER}
        chosen = ", ".join(map(_chosen, columns))
        self._connection.execute(
            f"INSERT INTO {table} SELECT {chosen} FROM read_json(?, format = 'newline_delimited',"  # noqa: S608
            f" columns = {read}, maximum_object_size = {MAX_ROW_BYTES})",
            [str(self._file)],
        )


def _chosen(column: str) -> str:
    ns = _LATER.get(column)
    return f'"{column}"' if ns is None else f"make_timestamp_ns({ns})::TIMESTAMP"


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(items)
    while some := list(islice(rest, BATCH)):
        yield some


def _trace_row(trace: Trace) -> dict[str, Any]:
    summary = trace.summary
    return {**summary._asdict(), "duration_ms": trace.duration_ms}


def _span_rows(spans: Iterable[SpanView]) -> Iterator[dict[str, Any]]:
    for span in spans:
        yield {
            "trace_id": span.trace_id,
            "span_id": span.span_id,
            "parent_id": span.parent_id,
            "name": span.name,
            "kind": span.kind,
            "start_ns": span.start_ns,
            "duration_ms": span.duration_ms,
            "status": span.status,
            "status_message": span.status_message,
            "service": span.service,
            "scope": span.scope,
            "attributes": dict(span.attributes),
            "resource": dict(span.resource),
        }


def _event_rows(spans: Iterable[SpanView]) -> Iterator[dict[str, Any]]:
    for span in spans:
        for event in span.events:
            yield {
                "trace_id": span.trace_id,
                "span_id": span.span_id,
                "name": event.name,
                "time_ns": event.time_ns,
                "attributes": dict(event.attributes),
            }


def _print(result: Any, output: str) -> None:
    from .output import print_json, print_table

    columns = [column[0] for column in result.description or ()]
    if output == "json":
        kinds = [str(column[1]) for column in result.description or ()]
        print_json([_object(columns, kinds, row) for row in _rows(result)])
    elif output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(_rows(result))
    else:
        rows = list(_rows(result))
        numbers = [name for at, name in enumerate(columns) if _is_number(row[at] for row in rows)]
        shown = ([_text(value) for value in row] for row in rows)
        print_table(columns, shown, right=numbers, folds=[name for name in columns if name not in numbers])


def _rows(result: Any) -> Iterator[tuple[Any, ...]]:
    while some := result.fetchmany(BATCH):
        yield from some


def _object(columns: Sequence[str], kinds: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {
        name: orjson.loads(value) if kind == "JSON" and value is not None else value
        for name, kind, value in zip(columns, kinds, row, strict=True)
    }


def _is_number(values: Iterable[Any]) -> bool:
    return all(value is None or (isinstance(value, int | float) and value is not True) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)
