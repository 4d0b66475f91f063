"""`tracestate`: the list of W3C Trace Context level 2, and the two members that a sampler reads and writes.

`ot` belongs to OpenTelemetry (https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/): `th` is
the rejection threshold, `rv` an explicit random value. `tollway` is ours: `d` says that the sender still
holds the trace, so that `sampled=0` does not mean dropped. States are immutable; common ones are made once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from opentelemetry.trace import TraceState

from tollway.tracing._private.api import HeldTraceState

RANDOM_BITS = 56
"""Bits of a threshold and of a random value."""

MAX_MEMBERS = 32
"""Members of a list: https://www.w3.org/TR/trace-context-2/#list."""

MAX_CHARACTERS = 8192
"""Characters that we carry of a list; the specification asks for at least 512."""

MAX_READ_CHARACTERS = 4 * MAX_CHARACTERS
"""Characters that are looked at: twice what 32 of the longest members take."""

_LONG_MEMBER = 128
"""A member longer than this goes first where a list must be cut."""

_MAX_VALUE = 256

_HEX_DIGITS = RANDOM_BITS // 4

# https://www.w3.org/TR/trace-context-2/#key, and #value; in level 2 `@` is a letter like any other.
_KEY = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_is_key = re.compile(_KEY).fullmatch
_is_value = re.compile(_VALUE).fullmatch
_member = re.compile(f"({_KEY})=({_VALUE})").fullmatch

_ot_member = re.compile(r"([a-z][a-z0-9]*):([A-Za-z0-9._\-]*)").fullmatch
_threshold = re.compile(f"[0-9a-fA-F]{{1,{_HEX_DIGITS}}}").fullmatch
_random_value = re.compile(f"[0-9a-fA-F]{{{_HEX_DIGITS}}}").fullmatch

_OT = "ot"
_OURS = "tollway"
_DEFERRED = "d"


class W3CTraceState(HeldTraceState):
    """OTel's `TraceState` by the rules of level 2; OTel's own drops what only level 2 allows.

    Unlike it, a full list makes room for a new member by giving up its last.
    """

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        members: dict[str, str] = {}
        for key, value in entries or ():
            if key not in members and _is_pair(key, value):
                members[key] = value
        self.hold(members if len(members) <= MAX_MEMBERS else {})
        self._header: str | None = None
        self._deferred: TraceState | None = None

    @classmethod
    def of(cls, members: dict[str, str]) -> W3CTraceState:
        """Return a state of members that are known to be valid; the dictionary is now its own."""
        state = cls()
        state.hold(members)
        return state

    @classmethod
    def from_header(cls, header_list: Iterable[str]) -> W3CTraceState:
        """Return the members of all headers in order, none where any is invalid.

        Empty members are allowed, and there are at most 32 others. Of several members with one key the first
        is kept, which is the newest: a receiver need not refuse such a list, but must not write one. A list
        of more than 8,192 characters is cut by whole members as
        https://www.w3.org/TR/trace-context-2/#tracestate-limits says; one of more than 32,768 is not read.
        """
        members = _parse(",".join(header_list))
        return cls.of(_cut(members)) if members else EMPTY

    @classmethod
    def get_default(cls) -> W3CTraceState:
        """Return the state without members."""
        return EMPTY

    def to_header(self) -> str:
        """Return the value of a `tracestate` header."""
        if self._header is None:
            self._header = super().to_header()
        return self._header

    def add(self, key: str, value: str) -> TraceState:
        """Return a state with a new first member; this one where the key is taken or the pair invalid."""
        return self if key in self else self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """Return a state that has this member first, new or changed; this one where the pair is invalid."""
        return _put(self, key, value) if _is_pair(key, value) else self

    def delete(self, key: str) -> TraceState:
        """Return a state without that member."""
        return _without(self, key)


def _is_pair(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, str) and bool(_is_key(key) and _is_value(value))


def _parse(header: str) -> dict[str, str] | None:
    if len(header) > MAX_READ_CHARACTERS:
        return None
    members: dict[str, str] = {}
    count = 0
    for text in header.split(","):
        stripped = text.strip(" \t")
        if not stripped:
            continue
        count += 1
        match = _member(stripped)
        if match is None or count > MAX_MEMBERS:
            return None
        members.setdefault(*match.groups())
    return members


def _cut(members: dict[str, str]) -> dict[str, str]:
    """Drop whole members until the list fits: long ones first, then from the end."""
    sizes = {key: len(key) + 1 + len(value) for key, value in members.items()}
    total = sum(sizes.values()) + len(sizes) - 1
    if total <= MAX_CHARACTERS:
        return members
    from_end = list(reversed(sizes))
    for key in sorted(from_end, key=lambda key: sizes[key] <= _LONG_MEMBER):
        if total <= MAX_CHARACTERS:
            break
        total -= sizes[key] + 1
        del members[key]
    return members


def _put(state: TraceState, key: str, value: str) -> TraceState:
    """Return the state with this member first, as the specification wants of what was modified."""
    members = {key: value}
    for other, kept in state.items():
        if other != key and len(members) < MAX_MEMBERS:
            members[other] = kept
    return W3CTraceState.of(members)


def _without(state: TraceState, key: str) -> TraceState:
    if key not in state:
        return state
    return W3CTraceState.of({other: value for other, value in state.items() if other != key})


EMPTY = W3CTraceState()
"""The state without members."""


@lru_cache(maxsize=256)
def _parse_ot(value: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of an `ot` value in order; none where it breaks the grammar or names a key twice."""
    pairs: dict[str, str] = {}
    for text in value.split(";"):
        match = _ot_member(text)
        if match is None or match[1] in pairs:
            return ()
        pairs[match[1]] = match[2]
    return tuple(pairs.items())


def _ot_value(state: TraceState, name: str) -> str | None:
    value = state.get(_OT) if state else None
    if value is not None:
        for key, text in _parse_ot(value):
            if key == name:
                return text
    return None


def threshold_of(trace_state: TraceState) -> int | None:
    """Return the rejection threshold, 0 to 2**56 - 1: what has a random value below it was not sampled."""
    text = _ot_value(trace_state, "th")
    return int(text.ljust(_HEX_DIGITS, "0"), 16) if text is not None and _threshold(text) else None


def random_value_of(trace_state: TraceState) -> int | None:
    """Return the explicit random value of 56 bits, which stands in for those of the trace id."""
    text = _ot_value(trace_state, "rv")
    return int(text, 16) if text is not None and _random_value(text) else None


def with_threshold(trace_state: TraceState, threshold: int | None) -> TraceState:
    """Return the state with this rejection threshold; None takes it out, which says that it is not known.

    Other subkeys of `ot` stay, in their order. Should they leave no room, the threshold is taken out instead:
    none is right, an old one would be wrong. Raises ValueError for a threshold outside of 0 to 2**56 - 1.
    """
    if not trace_state:
        return EMPTY if threshold is None else _only_threshold(threshold)
    old = trace_state.get(_OT)
    pairs = [f"{key}:{value}" for key, value in _parse_ot(old or "") if key != "th"]
    if threshold is not None:
        longer = [f"th:{_hex(threshold)}", *pairs]
        pairs = longer if len(";".join(longer)) <= _MAX_VALUE else pairs
    new = ";".join(pairs)
    if new == (old or ""):
        return trace_state
    return _put(trace_state, _OT, new) if new else _without(trace_state, _OT)


@lru_cache(maxsize=256)
def _only_threshold(threshold: int) -> TraceState:
    return W3CTraceState.of({_OT: f"th:{_hex(threshold)}"})


def _hex(threshold: int) -> str:
    if not 0 <= threshold < 1 << RANDOM_BITS:
        raise ValueError("a threshold has 56 bits")
    return f"{threshold:0{_HEX_DIGITS}x}".rstrip("0") or "0"


def is_deferred(trace_state: TraceState) -> bool:
    """Return whether the sender holds the trace and has not decided yet: `sampled=0` is then no refusal."""
    value = trace_state.get(_OURS) if trace_state else None
    return value is not None and _DEFERRED in value.split(";")


def with_deferred(trace_state: TraceState, deferred: bool) -> TraceState:
    """Return the state that says so, or no longer says so; what else our member may hold stays."""
    memo = trace_state if isinstance(trace_state, W3CTraceState) else None
    if (
        deferred and memo is not None and memo._deferred is not None
    ):  # every undecided root asks it of one state
        return memo._deferred
    if is_deferred(trace_state) is deferred:
        return trace_state
    if not deferred:
        return _unmark(trace_state)
    marked = _mark(trace_state)
    if memo is not None:
        memo._deferred = marked
    return marked


def _mark(trace_state: TraceState) -> TraceState:
    old = trace_state.get(_OURS)
    new = _DEFERRED if old is None else f"{_DEFERRED};{old}"
    return _put(trace_state, _OURS, new if len(new) <= _MAX_VALUE else _DEFERRED)


def _unmark(trace_state: TraceState) -> TraceState:
    rest = [text for text in trace_state[_OURS].split(";") if text != _DEFERRED]
    return _put(trace_state, _OURS, ";".join(rest)) if rest else _without(trace_state, _OURS)
