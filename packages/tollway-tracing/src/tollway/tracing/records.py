"""What the store takes: a span as facts and OTLP JSON, whoever made it (`otlp/_sources.py` makes them)."""

from typing import NamedTuple

ROOT, LOCAL_ROOT, FAR = 0, 1, 2
"""How far a span is from its trace's beginning: no parent, a parent in another process, any other parent."""


class Origin(NamedTuple):
    """What made a span, as OTLP JSON: the fields `resource` and `scope` with their schemas."""

    resource: bytes
    scope: bytes
    service: str | None
    """The resource's `service.name`."""

    @property
    def head(self) -> bytes:
        """What comes before the spans of `resourceSpans` where all have this origin; `]}]}]` comes after."""
        return b'[{%b,"scopeSpans":[{%b,"spans":[' % (self.resource, self.scope)


class Record(NamedTuple):
    """An ended span: the facts that a store needs, and its OTLP JSON."""

    trace_id: int
    distance: int
    """`ROOT`, `LOCAL_ROOT` or `FAR`."""
    start_ns: int
    end_ns: int
    failed: bool
    name: str
    kept_because: str | None
    origin: Origin
    json: bytes
