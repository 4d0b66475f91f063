"""The span: one object from its start to its export, as the API writes it and as exporters read it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from opentelemetry.trace import Span as APISpan

from tollway.tracing._json import to_json_text
from tollway.tracing._private.sdk import ReadNames, register_span
from tollway.tracing._runtime import INPUTS, OUTPUTS

from ._values import cleaned, frozen_items, frozen_links, mapping_of, text_of
from .span_core import SpanCore, warn_ended


class Span(SpanCore, APISpan, ReadNames):  # type: ignore[misc]  # the SDK's start may be None
    """A recording span, and after its end the same object as what exporters read.

    https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-processor
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Span(name={self._name!r}, context={self.get_span_context()!r})"

    # --- what is written while it runs ---

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to another span; beyond the limit the oldest is dropped and counted."""
        if self._end_time is not None:
            warn_ended("add_link", self._name)
            return
        new = frozen_links([Link(context, attributes)])
        if not new:
            return
        links = self._raw_links
        if links is None:
            links = self._raw_links = []
        links += new
        if len(links) > self._tracer.max_links:
            del links[0]
            self.count_dropped(0, 0, 1)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an `exception` event with type, message and stack trace; the status stays as it is.

        https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
        """
        found: dict[str, Any] = {**exception_attributes(exception, escaped=escaped)}
        if attributes:
            found.update(mapping_of(attributes))
        self.add_event("exception", found, timestamp)

    def set_inputs(self, inputs: Any) -> None:
        """Keep what went in, as JSON in the attribute `tollway.inputs`."""
        self.set_attribute(INPUTS, to_json_text(inputs))

    def set_outputs(self, outputs: Any) -> None:
        """Keep what came out, as JSON in the attribute `tollway.outputs`."""
        self.set_attribute(OUTPUTS, to_json_text(outputs))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """End it; an exception is recorded and makes it an ERROR, unless it was started otherwise."""
        if error is not None and self._end_time is None:
            asked = self._on_exception
            self.note_exception(error, record=bool(asked & 1), set_status=bool(asked & 2))
        self.end()

    def note_exception(self, error: BaseException, *, record: bool, set_status: bool) -> None:
        """Note an exception that leaves the span's block."""
        if isinstance(error, GeneratorExit):
            return  # a generator that is closed early did nothing wrong
        if record:
            self.record_exception(error, escaped=True)
        if set_status:
            self.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {text_of(error)}"))

    # --- what is read, mostly after it ended ---

    @property
    def end_time(self) -> int | None:
        """Unix nanoseconds; None while it runs, though not for processors that see it ending."""
        end_time = self._end_time
        return self._local.engine.ending_at.get(self) if end_time is None else end_time

    @property
    def context(self) -> SpanContext:
        """Its context."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The parent's context; None for a root."""
        parent = self._parent_span
        return parent.get_span_context() if isinstance(parent, SpanCore) else parent

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes, clean and within the limits."""
        return MappingProxyType(self._clean_attributes()[0])

    def replace_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Take other attributes, also after the end: for processors that redact."""
        self._deferred = None
        self._own_attributes = frozen_items(attributes)

    def _clean_attributes(self) -> tuple[dict[str, Any], int]:
        limits = self._tracer.limits
        return cleaned(self.all_attributes(), None, limits.max_span_attribute_length)

    @property
    def dropped_attributes(self) -> int:
        """Attributes beyond the limit, or with an invalid key."""
        return (self._dropped[0] if self._dropped else 0) + self._clean_attributes()[1]

    @property
    def events(self) -> Sequence[Event]:
        """Events, clean and within the limits."""
        limits = self._tracer.limits
        found = []
        for name, attributes, time_ns in self.raw_events():
            items, dropped = cleaned(
                attributes or {}, limits.max_event_attributes, limits.max_attribute_length
            )
            found.append(_ReadEvent(name, items, time_ns, dropped))
        return tuple(found)

    @property
    def dropped_events(self) -> int:
        """Events beyond the limit."""
        return self._dropped[1] if self._dropped else 0

    @property
    def links(self) -> Sequence[Link]:
        """Links, clean and within the limits."""
        limits = self._tracer.limits
        found = []
        for link in self._raw_links or ():
            items, dropped = cleaned(
                link.attributes or {}, limits.max_link_attributes, limits.max_attribute_length
            )
            found.append(_ReadLink(link.context, items, dropped))
        return tuple(found)

    @property
    def dropped_links(self) -> int:
        """Links beyond the limit."""
        return self._dropped[2] if self._dropped else 0

    @property
    def resource(self) -> Resource:
        """The resource of its provider."""
        return self._tracer.resource

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        """The scope of its tracer."""
        return self._tracer.scope

    @property
    def instrumentation_info(self) -> Any:
        """The scope under its old name."""
        return self._tracer.instrumentation_info


class _ReadEvent(Event):
    """An event as exporters read it."""

    def __init__(self, name: str, attributes: dict[str, Any], time_ns: int, dropped: int) -> None:
        super().__init__(name, MappingProxyType(attributes), time_ns)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


class _ReadLink(Link):
    """A link as exporters read it."""

    def __init__(self, context: SpanContext, attributes: dict[str, Any], dropped: int) -> None:
        super().__init__(context, MappingProxyType(attributes))
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


def exception_attributes(exception: BaseException, *, escaped: bool) -> dict[str, str]:
    """Return the attributes of an `exception` event."""
    kind = type(exception)
    name = (
        kind.__qualname__
        if kind.__module__ in ("", "builtins", None)
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        stack = "".join(traceback.format_exception(exception))
    except Exception:  # an exception whose own `__str__` raises
        stack = ""
    return {
        "exception.type": name,
        "exception.message": text_of(exception) or "",
        "exception.stacktrace": stack,
        "exception.escaped": str(escaped),
    }


register_span(Span)
