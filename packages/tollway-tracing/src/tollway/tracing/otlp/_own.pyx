# cython: language_level=3, auto_pickle=False
"""The short way from our own spans to OTLP, compiled: from a span's slots into one buffer, as JSON or as
protocol buffers. Both are written by the same walk through the span's fields.

It stands in place of `_own.py`, which writes nothing. `_encode.span_object` is the reference, and does whatever
is not usual (limits on lengths, odd keys and values, text that is not Unicode, links). Tests hold both ways
against each other, and against the reference exporter.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.math cimport isfinite
from libc.string cimport memcpy, memmove

from tollway.tracing._runtime import INPUTS as _INPUTS, OUTPUTS as _OUTPUTS
from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine import Span as _Span
from tollway.tracing.engine._constants import UNSET as _UNSET

cdef extern from *:
    """
    /* Here and not in Cython: a constant that the compiler sees through. */
    static const char TOLLWAY_HEX[] = "0123456789abcdef";
    static const char TOLLWAY_PAIRS[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    """
    const char *HEX "TOLLWAY_HEX"
    const char *PAIRS "TOLLWAY_PAIRS"

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    object PyUnicode_DecodeUTF8(const char *text, Py_ssize_t size, const char *errors)
    char *PyOS_double_to_string(double value, char format, int precision, int flags, int *kind) except NULL
    const int Py_DTSF_ADD_DOT_0
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    const Py_ssize_t PY_SSIZE_T_MAX

cdef object Span = _Span
cdef object UNSET = _UNSET
cdef str INPUTS = _INPUTS
cdef str OUTPUTS = _OUTPUTS

cdef enum:
    PLAIN_SPAN = 0x100
    REMOTE_PARENT = 0x200
    MAX_KEPT_BYTES = 1_048_576  # of a buffer that is empty


class _OddError(Exception):
    """Something that this way does not write."""


include "_own_bytes.pxi"
include "_own_protobuf.pxi"

cdef inline int label(Pen pen, const char *text) except -1:
    """Add what JSON has before or after a value, and protocol buffers have no bytes for."""
    return 0 if pen.binary else put_plain(pen.out, text)


cdef inline int put_field_text(Pen pen, unsigned char tag, object text) except -1:
    cdef Py_ssize_t size
    cdef const char *utf8
    if pen.binary:
        utf8 = PyUnicode_AsUTF8AndSize(text, &size)
        return put_string(pen.out, tag, utf8, size)
    return put_text(pen.out, text)


cdef inline int put_field_time(Pen pen, unsigned char tag, object time_ns) except -1:
    if pen.binary:
        return put_fixed64(pen.out, tag, time_ns)
    return put_number(pen.out, time_ns)


cdef inline int put_field_number(Pen pen, unsigned char tag, int value) except -1:
    return put_varint(pen.out, tag, value) if pen.binary else put_decimal(pen.out, value)


cdef inline int put_field_count(Pen pen, unsigned char tag, object count) except -1:
    if pen.binary:
        return put_varint(pen.out, tag, count) if count else 0
    return put_number(pen.out, count)


cdef inline Py_ssize_t begin(Pen pen, unsigned char tag, bint several) except -1:
    """Begin a message in a list of them; return what `finish` takes."""
    if pen.binary:
        return open_message(pen.out, tag)
    if several:
        return put_plain(pen.out, b",{")
    return put_plain(pen.out, b"{")


cdef inline int finish(Pen pen, Py_ssize_t first) except -1:
    return close_message(pen.out, first) if pen.binary else put(pen.out, b"}", 1)


cdef int put_attributes(Pen pen, unsigned char tag, dict items) except -1:
    """Add attributes."""
    cdef Buffer out = pen.out
    cdef bint several = False
    label(pen, b',"attributes":[')
    for key, value in items.items():
        if type(key) is not str or not key:
            raise _OddError
        if pen.binary:
            put_pair(out, tag, key, value)
            continue
        if several:
            put_plain(out, b',{"key":')
        else:
            put_plain(out, b'{"key":')
        several = True
        put_text(out, key)
        put_value(out, value)
    return label(pen, b"]")


cdef int put_value(Buffer out, object value) except -1:
    """Add an attribute's value, to the attribute's end."""
    cdef int overflow
    cdef long long number
    kind = type(value)
    if kind is str:
        put_plain(out, b',"value":{"stringValue":')
        put_text(out, value)
        return put_plain(out, b"}}")
    if kind is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            raise _OddError
        put_plain(out, b',"value":{"intValue":"')
        put_decimal(out, number)
        return put_plain(out, b'"}}')
    if kind is bool:
        if value:
            return put_plain(out, b',"value":{"boolValue":true}}')
        return put_plain(out, b',"value":{"boolValue":false}}')
    if kind is float:
        if not isfinite(<double> value):
            raise _OddError
        put_plain(out, b',"value":{"doubleValue":')
        put_double(out, value)
        return put_plain(out, b"}}")
    if kind is tuple:
        return put_texts(out, value)
    raise _OddError


cdef int put_texts(Buffer out, tuple values) except -1:
    cdef bint several = False
    put_plain(out, b',"value":{"arrayValue":{"values":[')
    for value in values:
        if type(value) is not str:
            raise _OddError
        if several:
            put_plain(out, b',{"stringValue":')
        else:
            put_plain(out, b'{"stringValue":')
        several = True
        put_text(out, value)
        put(out, b"}", 1)
    return put_plain(out, b"]}}}")


cdef int put_events(Pen pen, list flat, object max_attributes) except -1:
    """Add events, which lie flat: name, attributes, time."""
    cdef Py_ssize_t first
    cdef Py_ssize_t event
    if len(flat) % 3:
        raise _OddError
    label(pen, b',"events":[')
    for first in range(0, len(flat), 3):
        name, items, time_ns = flat[first], flat[first + 1], flat[first + 2]
        if type(name) is not str or type(time_ns) is not int:
            raise _OddError
        event = begin(pen, 0x5A, first > 0)
        label(pen, b'"timeUnixNano":"')
        put_field_time(pen, 0x09, time_ns)
        label(pen, b'"')
        label(pen, b',"name":')
        put_field_text(pen, 0x12, name)
        if items:
            if max_attributes is not None and len(items) > max_attributes:
                raise _OddError
            put_attributes(pen, 0x1A, items)
        finish(pen, event)
    return label(pen, b"]")


cdef int put_status(Pen pen, object status) except -1:
    cdef Py_ssize_t first
    code = status.status_code.value
    if not code:
        return 0
    label(pen, b',"status":')
    first = begin(pen, 0x7A, False)
    label(pen, b'"code":')
    put_field_number(pen, 0x18, code)
    if description := status.description:
        label(pen, b',"message":')
        put_field_text(pen, 0x12, description)
    return finish(pen, first)


cdef class Pen:
    """Adds spans to a buffer. It remembers what spans next to each other share."""

    def __cinit__(self, bint binary=False):
        self.out = Buffer()
        self.binary = binary
        self.state_field = b""

    cdef int turn_to(self, object local) except -1:
        """Read what the spans of one local trace share. Raises OverflowError for an id that is none."""
        if local is self.local:
            return 0
        self.local = None
        trace_id, state = local.trace_id, local.trace_state
        self.high = trace_id >> 64
        self.low = trace_id & 0xFFFF_FFFF_FFFF_FFFF
        if state is not self.state:
            self.state_field = self.field_of(state)  # and only then the state that it is of
            self.state = state
        self.local = local
        return 0

    cdef bytes field_of(self, object state):
        cdef Buffer field = Buffer()
        cdef Py_ssize_t size
        cdef const char *text
        if not state:
            return b""
        header = state.to_header()
        if self.binary:
            text = PyUnicode_AsUTF8AndSize(header, &size)
            put_string(field, 0x1A, text, size)
        else:
            put_plain(field, b',"traceState":')
            put_text(field, header)
        return PyBytes_FromStringAndSize(field.data, field.size)

    cdef int put_trace_id(self) except -1:
        put_hex(self.out, self.high)
        return put_hex(self.out, self.low)

    cdef int put_span(self, object span) except -1:
        """Add an ended span of ours. What was added when it raises is the caller's to take back."""
        local, tracer, name = span._local, span._tracer, span._name
        if span._raw_links or tracer.cuts_values or type(name) is not str:
            raise _OddError
        self.turn_to(local)
        cdef Py_ssize_t first = begin(self, 0x12, False)
        self.put_ids(span._span_id, span._parent_span, local.flags)
        label(self, b',"name":')
        put_field_text(self, 0x2A, name)
        label(self, b',"kind":')
        put_field_number(self, 0x30, <int> span._kind._value_ + 1)
        label(self, b',"startTimeUnixNano":"')
        put_field_time(self, 0x39, span._start_time)
        label(self, b'"')
        label(self, b',"endTimeUnixNano":"')
        put_field_time(self, 0x41, span._end_time or 0)
        label(self, b'"')
        put_bytes(self.out, self.state_field)
        self.put_optional(span, tracer)
        return finish(self, first)

    cdef int put_ids(self, unsigned long long span_id, object parent, int flags) except -1:
        """Add the ids of the trace, the span and its parent, and the flags."""
        cdef Buffer out = self.out
        cdef unsigned long long parent_id = 0
        flags |= PLAIN_SPAN
        if parent is not None:
            if type(parent) is Span:
                parent_id = parent._span_id
            else:
                parent_id = parent.span_id
                if parent.is_remote:
                    flags |= REMOTE_PARENT
        if self.binary:
            put_plain(out, b"\x0a\x10")
            self.put_raw_trace_id()
            put_id(out, 0x12, span_id)
            if parent is not None:
                put_id(out, 0x22, parent_id)
            put_plain(out, b"\x85\x01")  # field 16 as four bytes
            return self.put_flags(flags)
        put_plain(out, b'"traceId":"')
        self.put_trace_id()
        put_plain(out, b'","spanId":"')
        put_hex(out, span_id)
        if parent is not None:
            put_plain(out, b'","parentSpanId":"')
            put_hex(out, parent_id)
        put_plain(out, b'","flags":')
        return put_decimal(out, flags)

    cdef int put_raw_trace_id(self) except -1:
        cdef Buffer out = self.out
        if out.room - out.size < 16:
            out.grow(16)
        word_at(word_at(out.data + out.size, self.high, 8, True), self.low, 8, True)
        out.size += 16
        return 0

    cdef int put_flags(self, int flags) except -1:
        cdef Buffer out = self.out
        if out.room - out.size < 4:
            out.grow(4)
        word_at(out.data + out.size, flags, 4, False)
        out.size += 4
        return 0

    cdef int put_optional(self, object span, object tracer) except -1:
        """Add the fields that only some spans have."""
        items, events, status, dropped = span._own_attributes, span._raw_events, span._status, span._dropped
        if self.translate is not None and (self.always or INPUTS in items or OUTPUTS in items):
            items = dict(self.translate(items))
        if items:
            put_attributes(self, 0x4A, items)
        if events:
            put_events(self, events, tracer.limits.max_event_attributes)
        if status is not UNSET:
            put_status(self, status)
        if dropped is not None:
            attributes, events, links = dropped
            label(self, b',"droppedAttributesCount":')
            put_field_count(self, 0x50, attributes)
            label(self, b',"droppedEventsCount":')
            put_field_count(self, 0x60, events)
            label(self, b',"droppedLinksCount":')
            put_field_count(self, 0x70, links)
        return 0


cdef Pen _spare_pen = None
cdef Pen _spare_binary_pen = None


def own_span_json(span):
    """Return an ended span of ours as OTLP JSON; None where `span_object` has to do it."""
    global _spare_pen
    # Taken out of its place: what runs on the way (a tracestate) may let another thread in here.
    cdef Pen pen = _spare_pen
    _spare_pen = None
    if pen is None:
        pen = Pen()
    try:
        pen.put_span(span)
        return PyBytes_FromStringAndSize(pen.out.data, pen.out.size)
    except Exception:  # the other way says what is wrong with it
        return None
    finally:
        pen.local = None
        pen.out.empty()
        _spare_pen = pen


def spans_protobuf(spans, other, translate=None, bint always=False):
    """Return spans as the `spans` of an OTLP `ScopeSpans`; `other` gives each that is not written here.

    translate: gives the attributes to send, of spans with inputs or outputs; `always`, of all spans.
    """
    global _spare_binary_pen
    cdef Py_ssize_t before
    cdef Pen pen = _spare_binary_pen
    _spare_binary_pen = None
    if pen is None:
        pen = Pen(True)
    pen.translate, pen.always = translate, always
    try:
        for span in spans:
            before = pen.out.size
            try:
                if type(span) is not Span:
                    raise _OddError
                pen.put_span(span)
            except Exception:
                pen.out.size = before
                put_bytes(pen.out, other(span))
        return PyBytes_FromStringAndSize(pen.out.data, pen.out.size)
    finally:
        pen.local = pen.translate = None
        pen.out.empty()
        _spare_binary_pen = pen


accept_proxies(Buffer, Pen)
