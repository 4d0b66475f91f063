"""What a reader of the store holds: immutable views of a trace, its spans and their events."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any

import orjson

from tollway.tracing.feedback import Feedback
from tollway.tracing.summary import Summary

from . import notebook

SPAN_STATUSES = ("UNSET", "OK", "ERROR")
"""OTLP status codes 0, 1, 2 by their names; of a trace, see `TRACE_STATUSES`."""

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
"""OTLP span kinds 0 to 5 by their names."""

NS_PER_MS = 1_000_000


def time_of(unix_ns: int) -> datetime:
    """Return the instant as an aware datetime (UTC; microseconds, the rest is cut)."""
    seconds, rest_ns = divmod(unix_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)


@dataclass(frozen=True, slots=True)
class EventView:
    """A moment inside a span."""

    name: str
    timestamp: datetime
    attributes: Mapping[str, Any]
    time_ns: int


@dataclass(frozen=True, slots=True)
class SpanView:
    """A span as it was stored. `inputs` and `outputs` are the values given, decoded; None when not given."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[EventView, ...]
    links: tuple[tuple[str, str], ...]
    """Linked spans, each (trace id, span id)."""
    resource: Mapping[str, Any]
    scope: str
    parent_is_remote: bool
    trace_state: str = ""
    """The W3C `tracestate`, in which `ot=th:…` says how many traces this one stands for."""

    @property
    def start_time(self) -> datetime:
        """When it started."""
        return time_of(self.start_ns)

    @property
    def duration_ms(self) -> float:
        """How long it took."""
        return max(0, self.end_ns - self.start_ns) / NS_PER_MS

    @property
    def inputs(self) -> Any:
        """What went in (`tollway.inputs`, or MLflow's `mlflow.spanInputs`)."""
        return self._first("tollway.inputs", "mlflow.spanInputs")

    @property
    def outputs(self) -> Any:
        """What came out (`tollway.outputs`, or MLflow's `mlflow.spanOutputs`)."""
        return self._first("tollway.outputs", "mlflow.spanOutputs")

    @property
    def type(self) -> str | None:
        """What sort of work it is, in lower case: tool, chain, llm ... (`tollway.kind`, or MLflow's
        `mlflow.spanType`); None where nobody said so.
        """
        found = self._first("tollway.kind", "mlflow.spanType")
        return None if found in (None, "UNKNOWN") else str(found).lower()

    def _first(self, *keys: str) -> Any:
        return next((decoded(self.attributes[key]) for key in keys if key in self.attributes), None)

    @property
    def service(self) -> str | None:
        """The `service.name` of the process that made it."""
        return self.resource.get("service.name")


def decoded(value: Any) -> Any:
    """Return what JSON in a text says; any other value as it is."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value  # another library may have put plain text there


@dataclass(frozen=True)
class Trace:
    """A stored trace. What the summary knows is at hand; `spans` are read from the file when asked for."""

    summary: Summary
    _load: Callable[[], tuple[SpanView, ...]] = field(repr=False, compare=False)
    _load_feedback: Callable[[], tuple[Feedback, ...]] = field(default=tuple, repr=False, compare=False)

    def __repr__(self) -> str:
        return notebook.line_of(self)

    def _repr_html_(self) -> str:
        """Return the waterfall that a notebook shows."""
        return notebook.html_of(self)

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self.summary.trace_id

    @property
    def start_time(self) -> datetime:
        """When its first span started."""
        return time_of(self.summary.start_ns)

    @property
    def duration_ms(self) -> float:
        """From the start of its first span to the end of its last."""
        return self.summary.duration_ns / NS_PER_MS

    @property
    def status(self) -> str:
        """`ERROR` if any span failed, else `OK`."""
        return self.summary.status

    @property
    def root_name(self) -> str | None:
        """The name of the root span, or of the earliest span where the root is elsewhere."""
        return self.summary.root_name

    @property
    def kept_because(self) -> str | None:
        """Why it was kept: ratio, slow, error, parent or forced."""
        return self.summary.kept_because

    @property
    def service(self) -> str | None:
        """The service of the root span."""
        return self.summary.service

    @property
    def span_count(self) -> int:
        """How many spans are stored."""
        return self.summary.span_count

    @cached_property
    def spans(self) -> tuple[SpanView, ...]:
        """All spans, by start."""
        return self._load()

    @cached_property
    def feedback(self) -> tuple[Feedback, ...]:
        """What was said of it by `log_feedback`, in the order in which it was said."""
        return self._load_feedback()

    @cached_property
    def _children(self) -> Mapping[str | None, tuple[SpanView, ...]]:
        known = {span.span_id for span in self.spans}
        found: dict[str | None, list[SpanView]] = {}
        for span in self.spans:
            parent = span.parent_id if span.parent_id in known and span.parent_id != span.span_id else None
            found.setdefault(parent, []).append(span)
        return MappingProxyType({parent: tuple(spans) for parent, spans in found.items()})

    @property
    def roots(self) -> tuple[SpanView, ...]:
        """Spans without a parent in this trace: the root, and orphans."""
        return self._children.get(None, ())

    def children(self, span: SpanView) -> tuple[SpanView, ...]:
        """Return the direct children of a span, by start."""
        return self._children.get(span.span_id, ())

    def walk(self) -> Iterator[tuple[int, SpanView]]:
        """Yield (depth, span) in tree order: a parent before its children, siblings by start."""
        pending = [(0, span) for span in reversed(self.roots)]
        while pending:
            depth, span = pending.pop()
            yield depth, span
            pending.extend((depth + 1, child) for child in reversed(self.children(span)))
