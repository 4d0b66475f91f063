"""The span: one slotted object from its start to its export.

Nothing is locked, cleaned, hexed or encoded while it runs. Values are frozen as they come, so that the work
the specification asks for (limits on lengths, invalid keys) can wait until a kept span is read.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import Span as APISpan

from tollway.tracing._deferred import Deferred
from tollway.tracing._json import to_json_text
from tollway.tracing._runtime import INPUTS, OUTPUTS, status_of

from ._values import HEAVY_CHARACTERS, PLAIN, cleaned, frozen, frozen_items, heavy, text_of, weight

if TYPE_CHECKING:
    from ._local import LocalTrace
    from ._tracer import Tracer

_logger = logging.getLogger(__name__)

UNSET = Status(StatusCode.UNSET)


class Span(APISpan, ReadableSpan):
    """A recording span, and after its end the same object as what exporters read.

    https://opentelemetry.io/docs/specs/otel/trace/sdk/#span-processor
    """

    __slots__ = (
        "_deferred",
        "_dropped",
        "_end_time",
        "_kind",
        "_known_context",
        "_local",
        "_name",
        "_on_exception",
        "_own_attributes",
        "_parent_span",
        "_raw_events",
        "_raw_links",
        "_span_id",
        "_start_time",
        "_status",
        "_tracer",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - positional: this is called for every span
        self,
        tracer: Tracer,
        local: LocalTrace,
        span_id: int,
        parent: Span | SpanContext | None,
        name: str,
        kind: SpanKind,
        start_time: int,
        record_exception: bool,
        set_status_on_exception: bool,
    ) -> None:
        self._tracer = tracer
        self._local = local
        self._span_id = span_id
        self._parent_span = parent
        self._name = name
        self._kind = kind
        self._own_attributes: dict[str, Any] = {}
        self._raw_links: list[Link] | None = None
        self._start_time: int = start_time
        self._on_exception = record_exception + 2 * set_status_on_exception  # one slot, not two
        self._end_time: int | None = None
        self._known_context: SpanContext | None = None
        self._raw_events: list[Any] | None = None
        self._status = UNSET
        self._dropped: list[int] | None = None  # attributes, events, links
        self._deferred: list[Deferred] | None = None

    def __repr__(self) -> str:
        return f"Span(name={self._name!r}, context={self.get_span_context()!r})"

    # --- what is written while it runs ---

    def is_recording(self) -> bool:
        """Return whether it has not ended."""
        return self._end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; beyond the limit new keys are dropped and counted, as the specification says."""
        if self._end_time is not None:
            _warn_ended("set_attribute", self._name)
            return
        kind = type(value)
        if kind is str:
            if len(value) > HEAVY_CHARACTERS:
                self._local.weigh(len(value))
        elif kind not in PLAIN:
            value = frozen(value)
            self._local.weigh(weight(value))
        attributes = self._own_attributes
        if len(attributes) < self._tracer.max_attributes or key in attributes:
            attributes[key] = value
        else:
            self.count_dropped(attributes=1)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if type(attributes) is Deferred:
            self._defer(attributes)
            return
        own = self._own_attributes
        if self._end_time is not None or len(own) + len(attributes) > self._tracer.max_attributes:
            for key, value in attributes.items():
                self.set_attribute(key, value)
            return
        items = frozen_items(attributes)
        own.update(items)
        if heavy_bytes := heavy(items):
            self._local.weigh(heavy_bytes)

    def _defer(self, attributes: Deferred) -> None:
        if self._end_time is not None:
            _warn_ended("set_attributes", self._name)
        elif self._deferred is None:
            self._deferred = [attributes]
        else:
            self._deferred.append(attributes)

    def work_out(self) -> None:
        """Look at what was deferred: the engine does so once it is known that the span is kept."""
        if self._deferred is None:
            return
        items = self._all_attributes()
        surplus = len(items) - self._tracer.max_attributes
        if surplus > 0:  # what was set by name stays
            items = self._own_attributes | items
            for key in list(items)[-int(surplus) :]:
                del items[key]
            self.count_dropped(attributes=int(surplus))
        self._own_attributes = items
        self._deferred = None

    def _all_attributes(self) -> dict[str, Any]:
        """Return what is deferred, worked out, and what was set by name."""
        deferred = self._deferred
        if deferred is None:
            return self._own_attributes
        items = frozen_items(deferred[0].made())
        for attributes in deferred[1:]:
            items.update(frozen_items(attributes.made()))
        items.update(self._own_attributes)
        return items

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event; `timestamp` in Unix nanoseconds. Beyond the limit the oldest is dropped and
        counted.
        """
        if self._end_time is not None:
            _warn_ended("add_event", self._name)
            return
        local = self._local
        items = None
        if attributes:
            items = dict(attributes)
            for key, value in items.items():
                kind = type(value)
                if kind is str:
                    if len(value) > HEAVY_CHARACTERS:
                        local.weigh(len(value))
                elif kind not in PLAIN:
                    items[key] = frozen(value)
                    local.weigh(weight(items[key]))
        time_ns = local.engine.monotonic_ns() + local.offset_ns if timestamp is None else timestamp
        events = self._raw_events
        if events is None:
            self._raw_events = events = [name, items, time_ns]
        else:
            events += (name, items, time_ns)
        if len(events) > 3 * self._tracer.max_events:
            del events[:3]
            self.count_dropped(events=1)

    def raw_events(self) -> Iterator[tuple[str, dict[str, Any] | None, int]]:
        """Yield name, frozen attributes and Unix nanoseconds of each event.

        They lie flat in one list: a tuple for each would be a third of a held span's objects.
        """
        flat = iter(self._raw_events or ())
        return zip(flat, flat, flat, strict=True)

    def count_dropped(self, *, attributes: int = 0, events: int = 0, links: int = 0) -> None:
        """Count what the limits had no room for."""
        before = self._dropped or (0, 0, 0)
        self._dropped = [before[0] + attributes, before[1] + events, before[2] + links]

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to another span; beyond the limit the oldest is dropped and counted."""
        if self._end_time is not None:
            _warn_ended("add_link", self._name)
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
            self.count_dropped(links=1)

    def update_name(self, name: str) -> None:
        """Change the name."""
        if self._end_time is not None:
            _warn_ended("update_name", self._name)
            return
        self._name = name

    def set_status(self, status: Status | StatusCode | str, description: str | None = None) -> None:
        """Set the status: OK is final, UNSET is ignored, only ERROR has a description.

        Takes `opentelemetry`'s Status or StatusCode, or one of the words OK, ERROR, UNSET; any other word
        raises ValueError. https://opentelemetry.io/docs/specs/otel/trace/api/#set-status
        """
        if self._end_time is not None:
            _warn_ended("set_status", self._name)
            return
        new = status if isinstance(status, Status) else status_of(status, description)
        if new.status_code is not StatusCode.UNSET and self._status.status_code is not StatusCode.OK:
            self._status = new

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
        self.add_event(
            "exception", {**exception_attributes(exception, escaped=escaped), **(attributes or {})}, timestamp
        )

    def set_inputs(self, inputs: Any) -> None:
        """Keep what went in, as JSON in the attribute `tollway.inputs`."""
        self.set_attribute(INPUTS, to_json_text(inputs))

    def set_outputs(self, outputs: Any) -> None:
        """Keep what came out, as JSON in the attribute `tollway.outputs`."""
        self.set_attribute(OUTPUTS, to_json_text(outputs))

    def end(self, end_time: int | None = None) -> None:
        """End it, now or at `end_time` (Unix nanoseconds). A second end is ignored."""
        if self._end_time is not None:
            _warn_ended("end", self._name)
            return
        local = self._local
        engine = local.engine
        if end_time is None:
            end_time = engine.monotonic_ns() + local.offset_ns
        if engine.ending and not engine.on_ending(self, end_time):
            return
        # Without a call in between nothing comes between these two: of several threads one ends it.
        if self._end_time is not None:
            return
        self._end_time = end_time
        parent = self._parent_span
        if type(parent) is Span and parent._end_time is not None:
            # Work that starts its successor for ever (a timer, a queue) must not keep its whole past alive.
            self._parent_span = parent.get_span_context()
        if self._status is not UNSET and self._status.status_code is StatusCode.ERROR:
            local.failed = True
        local.ended(self)

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

    def get_span_context(self) -> SpanContext:
        """Return its context; sampled as soon as it is decided that its trace is kept."""
        context, local = self._known_context, self._local
        if context is None or context[4] is not local.trace_state:
            context = SpanContext(local.trace_id, self._span_id, False, local.flags, local.trace_state)
            self._known_context = context
        return context

    def raw_context(self) -> tuple[int, int, bool, TraceFlags, TraceState, bool]:
        """Return what `get_span_context` holds, in its order: as a plain tuple, a third of the price."""
        local = self._local
        return local.trace_id, self._span_id, False, local.flags, local.trace_state, True

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
        return parent.get_span_context() if isinstance(parent, Span) else parent

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes, clean and within the limits."""
        return MappingProxyType(self._clean_attributes()[0])

    def _read_attributes(self) -> Mapping[str, Any]:
        return self.attributes

    def _set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Replace them: processors that redact what has ended do so by the SDK's private name."""
        self._deferred = None
        self._own_attributes = frozen_items(attributes)

    def _clean_attributes(self) -> tuple[dict[str, Any], int]:
        limits = self._tracer.limits
        return cleaned(self._all_attributes(), None, limits.max_span_attribute_length)

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

    # The SDK's own code (`to_json`) and some exporters read a span's private names.
    _context = context
    _parent = parent
    _attributes = property(_read_attributes, _set_attributes)
    _events = events
    _links = links
    _resource = resource
    _instrumentation_scope = instrumentation_scope
    _instrumentation_info = instrumentation_info

    def _readable_span(self) -> ReadableSpan:
        """Return itself: under the SDK's name for it."""
        return self


class _ReadEvent(Event):
    """An event as exporters read it."""

    def __init__(self, name: str, attributes: dict[str, Any], time_ns: int, dropped: int) -> None:
        super().__init__(name, attributes, time_ns)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


class _ReadLink(Link):
    """A link as exporters read it."""

    def __init__(self, context: SpanContext, attributes: dict[str, Any], dropped: int) -> None:
        super().__init__(context, attributes)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        return self._dropped


def frozen_links(links: Sequence[Link]) -> list[Link]:
    """Return copies that no later change reaches, without those that lead nowhere and say nothing."""
    return [
        Link(link.context, frozen_items(link.attributes) if link.attributes else None)
        for link in links
        if link and (link.context.is_valid or link.attributes or link.context.trace_state)
    ]


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


def _warn_ended(call: str, name: str) -> None:
    _logger.warning("%s was called on the ended span %r, and ignored", call, name)
