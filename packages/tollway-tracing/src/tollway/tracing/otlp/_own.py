"""The short way from our own spans to OTLP JSON: text from text, without an object in between.

`span_object` builds two dictionaries an attribute, which cost more than writing them down. Here each
attribute is one piece of text, and pieces of repeated attributes (an operation, a model, a route) are
remembered whole. What this way cannot do exactly (limits on lengths, odd keys and values, text that is not
Unicode) it leaves alone by returning None, and the caller takes the other way. A test holds both ways against
each other.
"""

from json.encoder import encode_basestring
from typing import Any

from opentelemetry.trace import SpanContext

from tollway.tracing.engine import Span
from tollway.tracing.engine._constants import UNSET

_MAX_PIECES = 8_192
"""Attributes whose text is remembered; then all are forgotten, so that unique values cannot fill memory."""

_MAX_VALUE_CHARACTERS = 64
"""Values longer than this are seldom repeated."""

_PLAIN_SPAN = 0x100
_REMOTE_PARENT = 0x300
"""`SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`, and with it `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`."""

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1

_pieces: dict[tuple[str, str], str] = {}
_heads: dict[str, str] = {}


class _OddError(Exception):
    """Something that this way cannot write."""


def _head(key: str) -> str:
    """Return an attribute up to its value's type."""
    head = _heads.get(key)
    if head is None:
        if type(key) is not str or not key:
            raise _OddError
        if len(_heads) >= _MAX_PIECES:
            _heads.clear()
        head = _heads[key] = f'{{"key":{encode_basestring(key)},"value":{{'
    return head


def _text_piece(key: str, value: str) -> str:
    piece = f'{_head(key)}"stringValue":{encode_basestring(value)}}}}}'
    if len(value) <= _MAX_VALUE_CHARACTERS:
        if len(_pieces) >= _MAX_PIECES:
            _pieces.clear()
        _pieces[key, value] = piece
    return piece


def _attributes(items: dict[str, Any]) -> str:
    """Return the JSON list of attributes."""
    written = []
    piece_of = _pieces.get
    for key, value in items.items():
        kind = type(value)
        if kind is str:
            written.append(piece_of((key, value)) or _text_piece(key, value))
        elif kind is int:
            if not _MIN_INT <= value <= _MAX_INT:
                raise _OddError
            written.append(f'{_head(key)}"intValue":"{value}"}}}}')
        elif kind is float:
            if value - value != 0:  # infinite, or not a number
                raise _OddError
            written.append(f'{_head(key)}"doubleValue":{value!r}}}}}')
        elif kind is bool:
            written.append(f'{_head(key)}"boolValue":{"true" if value else "false"}}}}}')
        elif kind is tuple:
            written.append(_list_piece(key, value))
        else:
            raise _OddError
    return f"[{','.join(written)}]"


def _list_piece(key: str, values: tuple[Any, ...]) -> str:
    for value in values:
        if type(value) is not str:
            raise _OddError
    texts = ",".join([f'{{"stringValue":{encode_basestring(value)}}}' for value in values])
    return f'{_head(key)}"arrayValue":{{"values":[{texts}]}}}}}}'


def _events(span: Span, max_attributes: float) -> str:
    written = []
    for name, items, time_ns in span.raw_events():
        if type(name) is not str or type(time_ns) is not int:
            raise _OddError
        attributes = ""
        if items:
            if len(items) > max_attributes:
                raise _OddError
            attributes = f',"attributes":{_attributes(items)}'
        written.append(f'{{"timeUnixNano":"{time_ns}","name":{encode_basestring(name)}{attributes}}}')
    return ",".join(written)


def _optional(span: Span) -> str:
    """Return the fields that only some spans have."""
    fields = f',"attributes":{_attributes(span._own_attributes)}' if span._own_attributes else ""
    if span._raw_events:
        limits = span._tracer.limits.max_event_attributes
        fields += f',"events":[{_events(span, float("inf") if limits is None else limits)}]'
    status = span._status
    if status is not UNSET and (code := status.status_code.value):
        message = f',"message":{encode_basestring(status.description)}' if status.description else ""
        fields += f',"status":{{"code":{code}{message}}}'
    if span._dropped is not None:
        attributes, events, links = span._dropped
        fields += f',"droppedAttributesCount":{attributes},"droppedEventsCount":{events}'
        fields += f',"droppedLinksCount":{links}'
    return fields


def own_span_json(span: Span) -> bytes | None:
    """Return an ended span of ours as OTLP JSON; None where `span_object` has to do it."""
    if span._raw_links or span._tracer.cuts_values or type(span._name) is not str:
        return None
    local = span._local
    state = local.trace_state
    parent = span._parent_span
    flags = local.flags | _PLAIN_SPAN
    parent_text = state_text = ""
    if parent is not None:
        if type(parent) is Span:
            parent_text = f',"parentSpanId":"{parent._span_id:016x}"'
        else:
            parent_text, flags = _foreign_parent(parent, flags)
    try:
        if state:
            state_text = f',"traceState":{encode_basestring(state.to_header())}'
        text = (
            f'{{"traceId":"{local.trace_id:032x}","spanId":"{span._span_id:016x}"{parent_text},"flags":{flags},'
            f'"name":{encode_basestring(span._name)},"kind":{span._kind._value_ + 1},'
            f'"startTimeUnixNano":"{span._start_time}","endTimeUnixNano":"{span._end_time or 0}"{state_text}'
            f"{_optional(span)}}}"
        )
        return text.encode()
    except (_OddError, UnicodeEncodeError):
        return None


def _foreign_parent(parent: object, flags: int) -> tuple[str, int]:
    assert isinstance(parent, SpanContext)
    return f',"parentSpanId":"{parent.span_id:016x}"', flags | (_REMOTE_PARENT if parent.is_remote else 0)
