"""A span while it runs: one slotted object, and nothing that is locked, cleaned, hexed or encoded.

Values are frozen as they come, so that the work the specification asks for (limits on lengths, invalid keys)
can wait until a kept span is read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from tollway.tracing._deferred import Deferred
from tollway.tracing._runtime import known_status
from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine._constants import UNSET
from tollway.tracing.engine._times import unix_ns
from tollway.tracing.engine._values import (
    HEAVY_CHARACTERS,
    PLAIN,
    frozen,
    frozen_items,
    heavy,
    key_of,
    mapping_of,
    name_of,
    weight,
)

if TYPE_CHECKING:
    from .local_trace_core import LocalTrace
    from .tracer_core import TracerCore

_logger = logging.getLogger(__name__)

_CODE_UNSET, _CODE_OK, _CODE_ERROR = StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR


class SpanCore:
    """What a span holds, and what is written to it.

    A tracer makes it by `__new__` and fills every slot: a call less for each span.
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

    _tracer: TracerCore
    _local: LocalTrace
    _span_id: int
    _parent_span: SpanCore | SpanContext | None
    _name: str
    _kind: SpanKind
    _own_attributes: dict[str, Any]
    _raw_links: list[Link] | None
    _start_time: int
    _on_exception: int
    """1: an exception that leaves the span's block is recorded; 2: it makes the span an ERROR."""
    _end_time: int | None
    _known_context: SpanContext | None
    _raw_events: list[Any] | None
    _status: Status
    _dropped: list[int] | None
    """Attributes, events, links."""
    _deferred: list[Deferred] | None

    def is_recording(self) -> bool:
        """Return whether it has not ended."""
        return self._end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        """Set an attribute; beyond the limit new keys are dropped and counted, as the specification says."""
        if self._end_time is not None:
            warn_ended("set_attribute", self._name)
            return
        if type(key) is not str:
            key = key_of(key)  # type: ignore[assignment]  # None where it has no text
            if key is None:
                self.count_dropped(1)
                return
        kind = type(value)
        if kind is str:
            if len(value) > HEAVY_CHARACTERS:
                self._weigh(len(value))
        elif kind not in PLAIN:
            value = frozen(value)
            self._weigh(weight(value))
        attributes = self._own_attributes
        if len(attributes) < self._tracer.max_attributes or key in attributes:
            attributes[key] = value
        else:
            self.count_dropped(1)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes."""
        if type(attributes) is Deferred:
            self._defer(attributes)
            return
        own = self._own_attributes
        items = frozen_items(attributes)
        if self._end_time is not None or len(own) + len(items) > self._tracer.max_attributes:
            for key, value in items.items():
                self.set_attribute(key, value)
            return
        own.update(items)
        if heavy_bytes := heavy(items):
            self._weigh(heavy_bytes)

    def _weigh(self, heavy_bytes: int) -> None:
        local = self._local
        local.weigh(heavy_bytes)

    def _defer(self, attributes: Deferred) -> None:
        if self._end_time is not None:
            warn_ended("set_attributes", self._name)
        elif self._deferred is None:
            self._deferred = [attributes]
        else:
            self._deferred.append(attributes)

    def resolve_attributes(self) -> None:
        """Look at what was deferred: the engine does so once it is known that the span is kept."""
        if self._deferred is None:
            return
        items = self.all_attributes()
        surplus = len(items) - self._tracer.max_attributes
        if surplus > 0:  # what was set by name stays
            own = self._own_attributes
            items = own | items
            for key in list(items)[-int(surplus) :]:
                del items[key]
            self.count_dropped(int(surplus))
        self._own_attributes = items
        self._deferred = None

    def all_attributes(self) -> dict[str, Any]:
        """Return what is deferred, worked out, and what was set by name."""
        deferred, own = self._deferred, self._own_attributes
        if deferred is None:
            return own
        items = frozen_items(deferred[0].made())
        for attributes in deferred[1:]:
            items.update(frozen_items(attributes.made()))
        items.update(own)
        return items

    def add_event(
        self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event; `timestamp` in Unix nanoseconds, a `datetime` or seconds with a fraction. Beyond the
        limit the oldest is dropped and counted.
        """
        if self._end_time is not None:
            warn_ended("add_event", self._name)
            return
        local = self._local
        items = None
        if attributes:
            items = self._event_attributes(attributes)
        if type(name) is not str:
            name = name_of(name)
        time_ns = local.now_ns() if timestamp is None else unix_ns(timestamp, local)
        events = self._raw_events
        if events is None:
            self._raw_events = events = [name, items, time_ns]
        else:
            events += (name, items, time_ns)
        if len(events) > 3 * self._tracer.max_events:
            del events[:3]
            self.count_dropped(0, 1)

    def _event_attributes(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        local = self._local
        items = dict(attributes) if isinstance(attributes, dict) else mapping_of(attributes)
        for key, value in items.items():
            kind = type(value)
            if kind is str:
                if len(value) > HEAVY_CHARACTERS:
                    local.weigh(len(value))
            elif kind not in PLAIN:
                items[key] = frozen(value)
                local.weigh(weight(items[key]))
        return items

    def raw_events(self) -> Iterator[tuple[str, dict[str, Any] | None, int]]:
        """Yield name, frozen attributes and Unix nanoseconds of each event.

        They lie flat in one list: a tuple for each would be a third of a held span's objects.
        """
        flat = iter(self._raw_events or ())
        return zip(flat, flat, flat, strict=True)

    def count_dropped(self, attributes: int = 0, events: int = 0, links: int = 0) -> None:
        """Count what the limits had no room for."""
        before = self._dropped or (0, 0, 0)
        self._dropped = [before[0] + attributes, before[1] + events, before[2] + links]

    def update_name(self, name: str) -> None:
        """Change the name."""
        if self._end_time is not None:
            warn_ended("update_name", self._name)
            return
        self._name = name if type(name) is str else name_of(name)

    def set_status(self, status: Status | StatusCode | str, description: str | None = None) -> None:
        """Set the status: OK is final, UNSET is ignored, only ERROR has a description.

        Takes `opentelemetry`'s Status or StatusCode, or one of the words OK, ERROR, UNSET; anything else is
        ignored with a warning. https://opentelemetry.io/docs/specs/otel/trace/api/#set-status
        """
        if self._end_time is not None:
            warn_ended("set_status", self._name)
            return
        new = status if isinstance(status, Status) else known_status(status, description)
        if new is None:
            return
        if new.status_code is not _CODE_UNSET and self._status.status_code is not _CODE_OK:
            self._status = new

    def end(self, end_time: int | None = None) -> None:
        """End it, now or at `end_time` (Unix nanoseconds). A second end is ignored."""
        if self._end_time is not None:
            warn_ended("end", self._name)
            return
        local = self._local
        engine = local.engine
        # Where no time is given: `now_ns`, a call less.
        end_time = engine.monotonic_ns() + local.offset_ns if end_time is None else unix_ns(end_time, local)
        if engine.ending and not engine.on_ending(self, end_time):
            return
        # Without a call in between nothing comes between these two: of several threads one ends it.
        if self._end_time is not None:
            return
        self._end_time = end_time
        parent = self._parent_span
        if isinstance(parent, SpanCore) and parent._end_time is not None:
            # Work that starts its successor for ever (a timer, a queue) must not keep its whole past alive.
            self._parent_span = parent.get_span_context()
        if self._status is not UNSET and self._status.status_code is _CODE_ERROR:
            local.failed = True
        local.ended(self)

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


def warn_ended(call: str, name: str) -> None:
    """Say that something came too late for a span."""
    _logger.warning("%s was called on the ended span %r, and ignored", call, name)


accept_proxies(SpanCore)
