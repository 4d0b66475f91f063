"""What is asked of traces: one frozen value that every reader takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack

from tollway.tracing.summary import TRACE_STATUSES, Summary, trace_status

from .views import NS_PER_MS, SpanView

OrderBy = Literal["newest", "oldest", "slowest", "fastest"]
"""By start (newest, oldest) or by duration (slowest, fastest)."""

ORDERS = ("newest", "oldest", "slowest", "fastest")

FOREVER_NS = 2**63
"""Later, and longer, than anything."""

Progress = Callable[[int, int], None]
"""Told (done, of how many) as a scan goes on."""

SESSION_KEYS = ("session.id", "gen_ai.conversation.id")
USER_KEYS = ("user.id", "enduser.id")
ENDPOINT_KEYS = ("tollway.route", "tollway.endpoint")
MODEL_KEYS = ("gen_ai.response.model", "gen_ai.request.model")
CALLER_KEYS = ("tollway.key",)

_EPOCH = datetime.fromtimestamp(0, UTC)

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_WILD = frozenset("*?[")


class SearchOptions(TypedDict, total=False):
    """The keywords of a search. None is as if it were not given.

    status: ERROR where a span failed, else OK. min_duration_ms, max_duration_ms, since, until: bounds of the
    duration and of the start, included (naive times are local). name: of the root span; service: its
    `service.name`; kept_because: ratio, slow, error, parent or forced. endpoint: a gateway's endpoint or
    route; model: that was asked for, or that answered; key: the name of the caller's key. attribute: pairs
    that one span (or its resource) has. session: `session.id` or `gen_ai.conversation.id`. user: `user.id` or
    `enduser.id`. In name, service, endpoint and model `*` and `?` are wildcards. text: part of names,
    attributes, events and status messages, whatever the case. feedback: names and values, each of which the
    trace was given by `log_feedback` (None for any value). order_by: newest unless given. limit: 50 unless
    given.
    """

    status: str | None
    min_duration_ms: float | None
    max_duration_ms: float | None
    since: datetime | None
    until: datetime | None
    name: str | None
    service: str | None
    kept_because: str | None
    endpoint: str | None
    model: str | None
    key: str | None
    attribute: Mapping[str, Any] | None
    session: str | None
    user: str | None
    text: str | None
    feedback: Mapping[str, Any] | None
    order_by: OrderBy
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which traces are wanted, in which order. `Query.of` makes it from the keywords of a search."""

    status: str | None = None
    min_duration_ns: int = 0
    max_duration_ns: int = FOREVER_NS
    since_ns: int = 0
    until_ns: int = FOREVER_NS
    name: str | None = None
    service: str | None = None
    kept_because: str | None = None
    endpoint: str | None = None
    model: str | None = None
    key: str | None = None
    attribute: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    session: str | None = None
    user: str | None = None
    text: str | None = None
    feedback: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    order_by: OrderBy = "newest"
    limit: int = 50

    @classmethod
    def of(cls, **options: Unpack[SearchOptions]) -> Query:
        """Return the query of a search's keywords. Raises ValueError for a status or order that is none."""
        min_ms, max_ms = options.get("min_duration_ms"), options.get("max_duration_ms")
        since, until = options.get("since"), options.get("until")
        return cls(
            status=_checked_status(options.get("status")),
            min_duration_ns=0 if min_ms is None else round(min_ms * NS_PER_MS),
            max_duration_ns=FOREVER_NS if max_ms is None else round(max_ms * NS_PER_MS),
            since_ns=0 if since is None else _ns(since),
            until_ns=FOREVER_NS if until is None else _ns(until) + 999,
            name=options.get("name"),
            service=options.get("service"),
            kept_because=options.get("kept_because"),
            endpoint=options.get("endpoint"),
            model=options.get("model"),
            key=options.get("key"),
            attribute=MappingProxyType(dict(options.get("attribute") or {})),
            session=options.get("session"),
            user=options.get("user"),
            text=options.get("text"),
            feedback=MappingProxyType(dict(options.get("feedback") or {})),
            order_by=_checked_order(options.get("order_by", "newest")),
            limit=max(0, options.get("limit", 50)),
        )

    def admits(self, summary: Summary) -> bool:
        """Return whether a trace is wanted, as far as its summary tells; bounds are included."""
        return (
            (self.status is None or summary.status == self.status)
            and self.min_duration_ns <= summary.duration_ns <= self.max_duration_ns
            and self.since_ns <= summary.start_ns <= self.until_ns
            and (self.kept_because is None or self.kept_because == summary.kept_because)
            and _fits(summary.root_name or "", self.name)
            and _fits(summary.service or "", self.service)
        )

    @property
    def reads_spans(self) -> bool:
        """Whether the summary does not tell all."""
        return bool(self.attribute or self._of_spans) or self.text is not None

    @property
    def _of_spans(self) -> list[tuple[tuple[str, ...], str]]:
        """What some span must have in one of several attributes."""
        wanted = (
            (SESSION_KEYS, self.session),
            (USER_KEYS, self.user),
            (CALLER_KEYS, self.key),
            (ENDPOINT_KEYS, self.endpoint),
            (MODEL_KEYS, self.model),
        )
        return [(keys, value) for keys, value in wanted if value is not None]

    def may_match(self, lines: Iterable[bytes]) -> bool:
        """Return False where the bytes alone show that `matches` would: most traces, at no parsing."""
        values = [value for _, value in self._of_spans]
        wanted = [*(one for one in values if not _WILD & set(one)), *self.attribute]
        plain = [text.encode() for text in wanted if _is_plain(text)]
        folded = self.text.lower().encode() if self.text is not None and _is_plain(self.text) else b""
        data = b"\n".join(lines)
        return all(text in data for text in plain) and folded in data.lower()

    def matches(self, spans: Sequence[SpanView]) -> bool:
        """Return whether the spans have all that is asked for; all pairs of `attribute` on one span."""
        return (
            (not self.attribute or any(self._has_attributes(span) for span in spans))
            and all(_any_has(spans, keys, value) for keys, value in self._of_spans)
            and (self.text is None or _contains(spans, self.text.casefold()))
        )

    def order_key(self, summary: Summary) -> int:
        """Return what summaries are sorted by, the first wanted first."""
        by_start = self.order_by in ("newest", "oldest")
        key = summary.start_ns if by_start else summary.duration_ns
        return -key if self.order_by in ("newest", "slowest") else key

    def _has_attributes(self, span: SpanView) -> bool:
        return all(
            _same(span.attributes.get(key, span.resource.get(key)), value)
            for key, value in self.attribute.items()
        )


def _ns(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def _checked_status(status: str | None) -> str | None:
    """Return a status in capitals. Raises ValueError for one that is none."""
    if status is None or (known := trace_status(status.upper())) in TRACE_STATUSES:
        return status and known
    raise ValueError(f"status is one of {', '.join(TRACE_STATUSES)}, not {status!r}")


def _checked_order(order_by: OrderBy) -> OrderBy:
    """Return the order. Raises ValueError for one that is none."""
    if order_by in ORDERS:
        return order_by
    raise ValueError(f"order_by is one of {', '.join(ORDERS)}, not {order_by!r}")


def _is_plain(text: str) -> bool:
    """Return whether JSON writes the text as it is."""
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}


def _same(found: Any, wanted: Any) -> bool:
    """Return whether a value is the one wanted; text from a command line equals the number it spells."""
    if found is None:
        return False
    if isinstance(wanted, str) and not isinstance(found, str):
        return wanted == (str(found).lower() if isinstance(found, bool) else str(found))
    return bool(found == wanted)


def _any_has(spans: Iterable[SpanView], keys: Sequence[str], wanted: str) -> bool:
    """Return whether a span has the value, or one that fits it, in one of the attributes."""
    has_wildcards = keys in (ENDPOINT_KEYS, MODEL_KEYS) and bool(_WILD & set(wanted))
    return any(
        _same(value, wanted) or (has_wildcards and value is not None and fnmatchcase(str(value), wanted))
        for span in spans
        for value in (span.attributes.get(key) for key in keys)
    )


def _fits(value: str, pattern: str | None) -> bool:
    return pattern is None or value == pattern or fnmatchcase(value, pattern)


def _contains(spans: Iterable[SpanView], folded: str) -> bool:
    return any(folded in text.casefold() for span in spans for text in _texts(span))


def _texts(span: SpanView) -> Iterator[str]:
    yield span.name
    yield span.status_message
    yield from map(str, span.attributes.values())
    for event in span.events:
        yield event.name
        yield from map(str, event.attributes.values())
