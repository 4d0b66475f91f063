"""The lines of a store: made from records, and read back into views."""

from collections.abc import Iterator, Sequence

import orjson

from tollway.tracing.otlp._decode import spans_of_object
from tollway.tracing.otlp._encode import resource_spans
from tollway.tracing.readers.views import SpanView
from tollway.tracing.records import Record
from tollway.tracing.summary import Summary, merged, summarise

from ._files import whole_lines

MAX_LINE_BYTES = 1_000_000
"""Below the collector's default `max_log_size` of 1 MiB, with room for the resource around the spans."""

_SPANS = b',"resourceSpans":'


def lines_of(
    trace_id: str, records: Sequence[Record], max_line_bytes: int = MAX_LINE_BYTES
) -> list[tuple[Summary, bytes]]:
    """Return the lines (with newline) that hold these spans, each with its summary.

    One line, unless it would pass the limit. A single span above the limit still gets a line of its own.
    """
    return [_line(trace_id, records[first:last]) for first, last in _cuts(records, max_line_bytes)]


def _cuts(records: Sequence[Record], max_line_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where lines begin and end."""
    first = size = 0
    for index, record in enumerate(records):
        if index > first and size + len(record.json) > max_line_bytes:
            yield first, index
            first, size = index, 0
        size += len(record.json) + 1
    if records:
        yield first, len(records)


def _line(trace_id: str, records: Sequence[Record]) -> tuple[Summary, bytes]:
    summary = summarise(trace_id, records)
    return summary, b'{"traceId":"%b","summary":%b%b%b}\n' % (
        trace_id.encode(),
        summary.to_json(),
        _SPANS,
        resource_spans([(record.origin, record.json) for record in records]),
    )


def summary_of(line: bytes) -> Summary:
    """Return a line's summary without reading its spans. Raises ValueError for a line that is not ours."""
    head, found, _ = line.partition(_SPANS)
    if not found or not line.endswith(b"}"):
        raise ValueError("torn")
    try:
        item = orjson.loads(head + b"}")
        return Summary.from_object(item["traceId"], item["summary"])
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError("not a line of this store") from error


def spans_of(line: bytes) -> list[SpanView]:
    """Return the spans of a line. Raises ValueError for a line that is not OTLP `TracesData`."""
    return spans_of_object(orjson.loads(line))


def summary_of_file(data: bytes) -> Summary | None:
    """Return what the lines of a trace amount to, each once; None where no line is whole."""
    parts = []
    for line in dict.fromkeys(whole_lines(data)[0]):
        try:
            parts.append(summary_of(line))
        except ValueError:
            continue  # readers step over it, and count it
    return merged(parts) if parts else None


def missing_lines(data: bytes, lines: Sequence[bytes]) -> bytes:
    """Return those lines, each with its end, that a trace's bytes lack; as they are appended to these."""
    known = set(whole_lines(data)[0])
    missing = b"".join([b"%b\n" % line for line in dict.fromkeys(lines) if line not in known])
    return b"\n" + missing if missing and data and not data.endswith(b"\n") else missing
