"""Received spans straight from protocol buffers to records, where it is not compiled: every request is left
to the other way (`_wire_objects.py`).
"""

from tollway.tracing.records import Record


def read_records(body: bytes) -> tuple[list[Record], int] | None:
    """Return the records of an `ExportTraceServiceRequest`, and how many of its spans are none.

    None: the other way has to read it. Raises ValueError for what is no such request.
    """
    return None
