"""Stored traces under MLflow's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tollway.tracing import Feedback
from tollway.tracing import Trace as StoredTrace
from tollway.tracing.readers.views import NS_PER_MS, SpanView, decoded

from ._names import CLIENT_REQUEST_ID, METADATA, PREVIEWS, TAG


@dataclass(frozen=True)
class Span:
    """A stored span."""

    view: SpanView

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)

    @property
    def span_type(self) -> str:
        """What sort of work it is, in capitals; UNKNOWN where nobody said so."""
        return (self.view.type or "unknown").upper()

    @property
    def status(self) -> str:
        """OK, or ERROR where it failed: MLflow knows no third."""
        return "ERROR" if self.view.status == "ERROR" else "OK"

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes, decoded where they are JSON."""
        return {key: decoded(value) for key, value in self.view.attributes.items()}

    def get_attribute(self, key: str) -> Any:
        """Return an attribute; None where there is none."""
        return self.attributes.get(key)

    @property
    def start_time_ns(self) -> int:
        """When it started, in Unix nanoseconds."""
        return self.view.start_ns

    @property
    def end_time_ns(self) -> int:
        """When it ended, in Unix nanoseconds."""
        return self.view.end_ns


@dataclass(frozen=True)
class Assessment:
    """Feedback, or an expectation, on a trace."""

    feedback: Feedback

    def __getattr__(self, name: str) -> Any:
        return getattr(self.feedback, name)

    @property
    def rationale(self) -> str | None:
        """Why."""
        return self.feedback.explanation


@dataclass(frozen=True)
class TraceData:
    """The spans of a trace."""

    spans: list[Span]

    @property
    def request(self) -> Any:
        """The inputs of the root."""
        return self.spans[0].inputs if self.spans else None

    @property
    def response(self) -> Any:
        """The outputs of the root."""
        return self.spans[0].outputs if self.spans else None


class TraceInfo:
    """What is known of a trace as a whole."""

    def __init__(self, trace: StoredTrace, root: Mapping[str, Any]) -> None:
        self._trace = trace
        self._root = root

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self._trace.trace_id

    request_id = trace_id

    @property
    def state(self) -> str:
        """OK, or ERROR where a span failed."""
        return self._trace.status

    status = state

    @property
    def request_time(self) -> int:
        """When it started, in Unix milliseconds."""
        return self._trace.summary.start_ns // NS_PER_MS

    timestamp_ms = request_time

    @property
    def execution_duration(self) -> int:
        """How long it took, in milliseconds."""
        return round(self._trace.duration_ms)

    execution_time_ms = execution_duration

    @property
    def client_request_id(self) -> str | None:
        """What the client called the request."""
        return self._root.get(CLIENT_REQUEST_ID)

    @property
    def request_preview(self) -> Any:
        """A short form of what went in."""
        return self._root.get(PREVIEWS["request_preview"])

    @property
    def response_preview(self) -> Any:
        """A short form of what came out."""
        return self._root.get(PREVIEWS["response_preview"])

    @cached_property
    def tags(self) -> dict[str, str]:
        """Tags: those given while it ran, and those of `set_trace_tag`."""
        found = {**_below(TAG, self._root)}
        if self._trace.root_name:
            found.setdefault("mlflow.traceName", self._trace.root_name)
        for one in self._trace.feedback:
            if one.kind == "tag":
                found.pop(one.name, None)
                if one.value is not None:
                    found[one.name] = one.value
        return found

    @property
    def trace_metadata(self) -> dict[str, str]:
        """Metadata, with the session and the user under MLflow's names."""
        named = {"mlflow.trace.session": "session.id", "mlflow.trace.user": "user.id"}
        people = {key: str(self._root[name]) for key, name in named.items() if name in self._root}
        return {**people, **_below(METADATA, self._root)}

    request_metadata = trace_metadata

    @cached_property
    def assessments(self) -> list[Assessment]:
        """Feedback and expectations, the oldest first."""
        return [Assessment(one) for one in self._trace.feedback if one.kind != "tag"]


def _below(prefix: str, attributes: Mapping[str, Any]) -> dict[str, str]:
    return {key[len(prefix) :]: str(value) for key, value in attributes.items() if key.startswith(prefix)}


class Trace:
    """A stored trace: `info` and `data`."""

    def __init__(self, stored: StoredTrace) -> None:
        self.stored = stored

    def __repr__(self) -> str:
        return f"Trace(trace_id={self.info.trace_id!r})"

    @cached_property
    def data(self) -> TraceData:
        """Its spans, a parent before its children."""
        return TraceData([Span(span) for _, span in self.stored.walk()])

    @cached_property
    def info(self) -> TraceInfo:
        """What is known of it as a whole."""
        roots = self.stored.roots
        return TraceInfo(self.stored, roots[0].attributes if roots else {})

    def search_spans(
        self, span_type: str | None = None, name: str | None = None, span_id: str | None = None
    ) -> list[Span]:
        """Return its spans of a type, a name, an id."""
        return [
            span
            for span in self.data.spans
            if span_type in (None, span.span_type)
            and name in (None, span.view.name)
            and span_id in (None, span.view.span_id)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict."""
        return {
            "trace_id": self.info.trace_id,
            "state": self.info.state,
            "request_time": self.info.request_time,
            "execution_duration": self.info.execution_duration,
            "tags": self.info.tags,
            "trace_metadata": self.info.trace_metadata,
            "request": self.data.request,
            "response": self.data.response,
            "spans": [
                {
                    "name": span.name,
                    "span_id": span.span_id,
                    "parent_id": span.parent_id,
                    "span_type": span.span_type,
                    "status": span.status,
                    "start_time_ns": span.start_time_ns,
                    "end_time_ns": span.end_time_ns,
                    "inputs": span.inputs,
                    "outputs": span.outputs,
                    "attributes": dict(span.attributes),
                }
                for span in self.data.spans
            ],
        }
