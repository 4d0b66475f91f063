"""The span that a program holds while it runs, with MLflow's methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import INVALID_SPAN, StatusCode, format_span_id, format_trace_id
from opentelemetry.trace import Span as APISpan

from tollway.tracing._json import to_json_text
from tollway.tracing._user import with_words

from ._names import SPAN_TYPE

if TYPE_CHECKING:
    from .entities import SpanEvent, SpanStatus

_PLAIN = (str, bool, int, float)


class LiveSpan:
    """A span of OpenTelemetry's under MLflow's names; what is not here is the span's own."""

    def __init__(self, span: APISpan, span_type: str | None = None) -> None:
        self.span = span
        self._words = with_words(span)
        self._inputs: Any = None
        self._outputs: Any = None
        self._given: dict[str, Any] = {}
        self._type = "UNKNOWN"
        if span_type is not None:
            self.set_span_type(span_type)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._words, name)

    # --- what it is ---

    @property
    def trace_id(self) -> str:
        """32 hex digits; `get_trace` takes it."""
        return format_trace_id(self.span.get_span_context().trace_id)

    request_id = trace_id

    @property
    def span_id(self) -> str:
        """16 hex digits."""
        return format_span_id(self.span.get_span_context().span_id)

    @property
    def parent_id(self) -> str | None:
        """The parent's span id; None for a root."""
        parent = getattr(self.span, "parent", None)
        return None if parent is None else format_span_id(parent.span_id)

    @property
    def name(self) -> str:
        """Its name."""
        return str(getattr(self.span, "name", ""))

    @property
    def start_time_ns(self) -> int | None:
        """When it started, in Unix nanoseconds."""
        return getattr(self.span, "start_time", None)

    @property
    def end_time_ns(self) -> int | None:
        """When it ended, in Unix nanoseconds; None while it runs."""
        return getattr(self.span, "end_time", None)

    @property
    def span_type(self) -> str:
        """What sort of work it is."""
        return self._type

    @property
    def inputs(self) -> Any:
        """What went in, as it was given."""
        return self._inputs

    @property
    def outputs(self) -> Any:
        """What came out, as it was given."""
        return self._outputs

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes as they were given."""
        return dict(self._given)

    def get_attribute(self, key: str) -> Any:
        """Return an attribute as it was given; None where it was not."""
        return self._given.get(key)

    # --- what is written ---

    def set_span_type(self, span_type: str) -> None:
        """Say what sort of work it is."""
        self._type = span_type
        self.span.set_attribute(SPAN_TYPE, span_type)

    def set_inputs(self, inputs: Any) -> None:
        """Keep what went in."""
        self._inputs = inputs
        self._words.set_inputs(inputs)

    def set_outputs(self, outputs: Any) -> None:
        """Keep what came out."""
        self._outputs = outputs
        self._words.set_outputs(outputs)

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; what OpenTelemetry has no type for is kept as JSON."""
        self._given[key] = value
        is_plain = isinstance(value, _PLAIN) or (
            isinstance(value, (list, tuple)) and all(isinstance(item, _PLAIN) for item in value)
        )
        self.span.set_attribute(key, value if is_plain else to_json_text(value))

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if isinstance(attributes, Mapping):
            for key, value in attributes.items():
                self.set_attribute(key, value)

    def set_status(self, status: SpanStatus | StatusCode | str, description: str | None = None) -> None:
        """Set the status, by a word, a code, or MLflow's `SpanStatus`."""
        code: Any = getattr(status, "status_code", status)
        description = description or getattr(status, "description", None) or None
        self._words.set_status(str(code) if isinstance(code, str) else code, description)

    def add_event(self, event: SpanEvent | str, *rest: Any, **named: Any) -> None:
        """Add an event: MLflow's `SpanEvent`, or OpenTelemetry's arguments."""
        if isinstance(event, str):
            self.span.add_event(event, *rest, **named)
        else:
            self.span.add_event(event.name, event.attributes, event.timestamp)

    def record_exception(self, exception: BaseException | str, *rest: Any, **named: Any) -> None:
        """Record an exception, or its message, and make the span an ERROR."""
        if not isinstance(exception, BaseException):
            exception = Exception(exception)
        self.span.record_exception(exception, *rest, **named)
        self._words.set_status("ERROR", f"{type(exception).__name__}: {exception}")

    def end(
        self,
        outputs: Any = None,
        attributes: Mapping[str, Any] | None = None,
        status: SpanStatus | StatusCode | str | None = None,
        end_time_ns: int | None = None,
    ) -> None:
        """End it, with what is to be said at the end."""
        if outputs is not None:
            self.set_outputs(outputs)
        if attributes:
            self.set_attributes(attributes)
        if status is not None:
            self.set_status(status)
        self.span.end(end_time_ns)


NOTHING = LiveSpan(INVALID_SPAN)
"""What stands for a span where tracing is off."""
