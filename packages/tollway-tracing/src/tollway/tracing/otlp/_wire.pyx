# cython: language_level=3, auto_pickle=False
"""Received spans straight from protocol buffers to records, compiled: a walk through the bytes of a request
writes each span's OTLP JSON into one buffer, and picks up its facts on the way.

It stands in place of `_wire.py`, which reads nothing. `_wire_objects.py` and `_receive.py` are the reference.
Tests hold both ways against each other, and against the official messages.
"""

from binascii import b2a_base64

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport isfinite
from libc.string cimport memcmp, memcpy, memset

from tollway.tracing.otlp._own cimport (
    Buffer, put, put_decimal, put_double, put_plain, put_raw_hex, put_unsigned, put_utf8
)

from tollway.tracing.engine._constants import KEPT_BECAUSE as _KEPT_BECAUSE
from tollway.tracing.records import Origin as _Origin, Record as _Record
from tollway.tracing.summary import MAX_NS as _MAX_NS

from ._encode import MAX_CACHED as _MAX_CACHED

cdef extern from "Python.h":
    object PyUnicode_DecodeUTF8(const char *text, Py_ssize_t size, const char *errors)

cdef object Origin = _Origin
cdef object Record = _Record
cdef object new_tuple = tuple.__new__
cdef unsigned long long MAX_NS = _MAX_NS
cdef bytes KEPT_BECAUSE = _KEPT_BECAUSE.encode()
cdef bytes SERVICE = b"service.name"
cdef Py_ssize_t MAX_CACHED = _MAX_CACHED
cdef dict origins = {}

cdef enum:
    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5

cdef enum:
    MAX_DEPTH = 64  # of values in values
    ROOT = 0
    LOCAL_ROOT = 1
    FAR = 2
    REMOTE = 0x200
    FAILED = 2

cdef struct Slice:
    const char *data
    Py_ssize_t size

cdef struct Field:
    unsigned long long number
    int wire
    unsigned long long value
    Slice data

cdef struct SpanFields:
    Slice trace_id
    Slice span_id
    Slice trace_state
    Slice parent_id
    Slice name
    Slice status
    unsigned long long kind
    unsigned long long start_ns
    unsigned long long end_ns
    unsigned long long flags
    unsigned long long dropped_attributes
    unsigned long long dropped_events
    unsigned long long dropped_links
    bint has_attributes
    bint has_events
    bint has_links
    long long code


include "_wire_fields.pxi"
include "_wire_values.pxi"


def read_records(bytes body not None):
    """Return the records of an `ExportTraceServiceRequest`, and how many of its spans are none.

    Raises ValueError for what is no such request.
    """
    cdef Slice rest = whole(body)
    cdef Field field
    cdef list records = []
    cdef Buffer out = Buffer()
    cdef Py_ssize_t rejected = 0
    while next_field(&rest, &field):
        if field.number == 1:
            rejected += read_resource_spans(out, records, message_in(&field))
    return records, rejected


cdef Py_ssize_t read_resource_spans(Buffer out, list records, Slice block) except -1:
    cdef Slice rest = block
    cdef Slice resource = Slice(NULL, 0)
    cdef Slice schema = Slice(NULL, 0)
    cdef Field field
    cdef Py_ssize_t rejected = 0
    while next_field(&rest, &field):
        if field.number == 1:
            resource = message_in(&field)
        elif field.number == 3:
            schema = message_in(&field)
    rest = block
    while next_field(&rest, &field):
        if field.number == 2:
            rejected += read_scope_spans(out, records, message_in(&field), resource, schema)
    return rejected


cdef Py_ssize_t read_scope_spans(
    Buffer out, list records, Slice block, Slice resource, Slice resource_schema
) except -1:
    cdef Slice rest = block
    cdef Slice scope = Slice(NULL, 0)
    cdef Slice schema = Slice(NULL, 0)
    cdef Field field
    cdef Py_ssize_t rejected = 0
    while next_field(&rest, &field):
        if field.number == 1:
            scope = message_in(&field)
        elif field.number == 3:
            schema = message_in(&field)
    origin = origin_of(out, resource, resource_schema, scope, schema)
    rest = block
    while next_field(&rest, &field):
        if field.number == 2:
            record = read_span(out, message_in(&field), origin)
            if record is None:
                rejected += 1
            else:
                records.append(record)
    return rejected


cdef object origin_of(Buffer out, Slice resource, Slice resource_schema, Slice scope, Slice schema):
    """Return what made the spans of a scope, the same object where it did so before."""
    key = (copied(resource), copied(resource_schema), copied(scope), copied(schema))
    cdef Slice service = Slice(NULL, 0)
    origin = origins.get(key)
    if origin is None:
        if len(origins) >= MAX_CACHED:
            origins.clear()
        out.size = 0
        put_plain(out, b'"resource":{')
        put_pairs(out, resource, 1, b'"attributes":[', SERVICE, &service)
        put_schema(out, resource_schema)
        resource_json = PyBytes_FromStringAndSize(out.data, out.size)
        out.size = 0
        put_scope(out, scope)
        put_schema(out, schema)
        scope_json = PyBytes_FromStringAndSize(out.data, out.size)
        origin = origins[key] = Origin(resource_json, scope_json, text_or_none(service))
    return origin


cdef int put_scope(Buffer out, Slice scope) except -1:
    cdef Slice rest = scope
    cdef Slice name = Slice(NULL, 0)
    cdef Slice version = Slice(NULL, 0)
    cdef Field field
    cdef Py_ssize_t begun
    while next_field(&rest, &field):
        if field.number == 1:
            name = message_in(&field)
        elif field.number == 2:
            version = message_in(&field)
    put_plain(out, b'"scope":{')
    begun = out.size
    if name.size:
        put_plain(out, b'"name":')
        put_utf8(out, name.data, name.size)
    if version.size:
        put_plain(out, b',"version":' if out.size > begun else b'"version":')
        put_utf8(out, version.data, version.size)
    return put_pairs(out, scope, 3, b',"attributes":[' if out.size > begun else b'"attributes":[', b"", NULL)


cdef int put_schema(Buffer out, Slice url) except -1:
    """End a resource or a scope, and add its schema."""
    put(out, b"}", 1)
    if url.size:
        put_plain(out, b',"schemaUrl":')
        put_utf8(out, url.data, url.size)
    return 0


cdef object read_span(Buffer out, Slice message, object origin):
    """Return a span's record; None where it is none."""
    cdef SpanFields span
    cdef Slice kept = Slice(NULL, 0)
    cdef Slice word
    read_span_fields(message, &span)
    if (
        span.trace_id.size != 16 or span.span_id.size != 8 or is_zero(span.trace_id)
        or span.start_ns > MAX_NS or span.end_ns > MAX_NS
    ):
        return None
    out.size = 0
    put_span(out, message, &span, &kept)
    word = span.trace_id
    return new_tuple(Record, (
        (<object> word_of(word.data) << 64) | word_of(word.data + 8),
        ROOT if not span.parent_id.size else LOCAL_ROOT if span.flags & REMOTE else FAR,
        span.start_ns,
        span.end_ns,
        span.code == FAILED,
        PyUnicode_DecodeUTF8(span.name.data, span.name.size, b"replace"),
        text_or_none(kept),
        origin,
        PyBytes_FromStringAndSize(out.data, out.size),
    ))


cdef int put_span(Buffer out, Slice message, SpanFields *span, Slice *kept) except -1:
    put_plain(out, b'{"traceId":"')
    put_raw_hex(out, span.trace_id.data, span.trace_id.size)
    put_plain(out, b'","spanId":"')
    put_raw_hex(out, span.span_id.data, span.span_id.size)
    if span.parent_id.size:
        put_plain(out, b'","parentSpanId":"')
        put_raw_hex(out, span.parent_id.data, span.parent_id.size)
    put_plain(out, b'","flags":')
    put_unsigned(out, span.flags)
    put_plain(out, b',"name":')
    put_utf8(out, span.name.data, span.name.size)
    put_plain(out, b',"kind":')
    put_decimal(out, <int> span.kind)
    put_plain(out, b',"startTimeUnixNano":"')
    put_unsigned(out, span.start_ns)
    put_plain(out, b'","endTimeUnixNano":"')
    put_unsigned(out, span.end_ns)
    put(out, b'"', 1)
    if span.trace_state.size:
        put_plain(out, b',"traceState":')
        put_utf8(out, span.trace_state.data, span.trace_state.size)
    if span.has_attributes:
        put_pairs(out, message, 9, b',"attributes":[', KEPT_BECAUSE, kept)
    if span.has_events:
        put_events(out, message)
    if span.has_links:
        put_links(out, message)
    put_status(out, span)
    put_count(out, b',"droppedAttributesCount":', span.dropped_attributes)
    put_count(out, b',"droppedEventsCount":', span.dropped_events)
    put_count(out, b',"droppedLinksCount":', span.dropped_links)
    return put(out, b"}", 1)


cdef int read_span_fields(Slice message, SpanFields *span) except -1:
    cdef Slice rest = message
    cdef Field field
    memset(span, 0, sizeof(SpanFields))
    while next_field(&rest, &field):
        if field.number == 1:
            span.trace_id = message_in(&field)
        elif field.number == 2:
            span.span_id = message_in(&field)
        elif field.number == 3:
            span.trace_state = message_in(&field)
        elif field.number == 4:
            span.parent_id = message_in(&field)
        elif field.number == 5:
            span.name = message_in(&field)
        elif field.number == 6:
            span.kind = number_in(&field, VARINT)
        elif field.number == 7:
            span.start_ns = number_in(&field, FIXED64)
        elif field.number == 8:
            span.end_ns = number_in(&field, FIXED64)
        elif field.number == 9:
            span.has_attributes = True
        elif field.number == 10:
            span.dropped_attributes = number_in(&field, VARINT)
        elif field.number == 11:
            span.has_events = True
        elif field.number == 12:
            span.dropped_events = number_in(&field, VARINT)
        elif field.number == 13:
            span.has_links = True
        elif field.number == 14:
            span.dropped_links = number_in(&field, VARINT)
        elif field.number == 15:
            read_status(message_in(&field), span)
        elif field.number == 16:
            span.flags = number_in(&field, FIXED32)
    return 0


cdef int read_status(Slice message, SpanFields *span) except -1:
    cdef Slice rest = message
    cdef Field field
    span.status, span.code = Slice(NULL, 0), 0
    while next_field(&rest, &field):
        if field.number == 2:
            span.status = message_in(&field)
        elif field.number == 3:
            span.code = <int> number_in(&field, VARINT)
    return 0


cdef int put_status(Buffer out, SpanFields *span) except -1:
    if not span.code and not span.status.size:
        return 0
    put_plain(out, b',"status":{"code":')
    put_decimal(out, span.code)
    if span.status.size:
        put_plain(out, b',"message":')
        put_utf8(out, span.status.data, span.status.size)
    return put(out, b"}", 1)


cdef int put_events(Buffer out, Slice message) except -1:
    cdef Slice rest = message
    cdef Field field
    cdef bint several = False
    put_plain(out, b',"events":[')
    while next_field(&rest, &field):
        if field.number == 11:
            if several:
                put(out, b",", 1)
            several = True
            put_event(out, message_in(&field))
    return put(out, b"]", 1)


cdef int put_event(Buffer out, Slice message) except -1:
    cdef Slice rest = message
    cdef Slice name = Slice(NULL, 0)
    cdef unsigned long long time_ns = 0
    cdef unsigned long long dropped = 0
    cdef Field field
    while next_field(&rest, &field):
        if field.number == 1:
            time_ns = number_in(&field, FIXED64)
        elif field.number == 2:
            name = message_in(&field)
        elif field.number == 4:
            dropped = number_in(&field, VARINT)
    put_plain(out, b'{"timeUnixNano":"')
    put_unsigned(out, time_ns)
    put_plain(out, b'","name":')
    put_utf8(out, name.data, name.size)
    put_pairs(out, message, 3, b',"attributes":[', b"", NULL)
    put_count(out, b',"droppedAttributesCount":', dropped)
    return put(out, b"}", 1)


cdef int put_links(Buffer out, Slice message) except -1:
    cdef Slice rest = message
    cdef Field field
    cdef bint several = False
    put_plain(out, b',"links":[')
    while next_field(&rest, &field):
        if field.number == 13:
            if several:
                put(out, b",", 1)
            several = True
            put_link(out, message_in(&field))
    return put(out, b"]", 1)


cdef int put_link(Buffer out, Slice message) except -1:
    cdef Slice rest = message
    cdef SpanFields link
    cdef Field field
    memset(&link, 0, sizeof(SpanFields))
    while next_field(&rest, &field):
        if field.number == 1:
            link.trace_id = message_in(&field)
        elif field.number == 2:
            link.span_id = message_in(&field)
        elif field.number == 3:
            link.trace_state = message_in(&field)
        elif field.number == 5:
            link.dropped_attributes = number_in(&field, VARINT)
        elif field.number == 6:
            link.flags = number_in(&field, FIXED32)
    put_plain(out, b'{"traceId":"')
    put_raw_hex(out, link.trace_id.data, link.trace_id.size)
    put_plain(out, b'","spanId":"')
    put_raw_hex(out, link.span_id.data, link.span_id.size)
    put_plain(out, b'","flags":')
    put_unsigned(out, link.flags)
    if link.trace_state.size:
        put_plain(out, b',"traceState":')
        put_utf8(out, link.trace_state.data, link.trace_state.size)
    put_pairs(out, message, 4, b',"attributes":[', b"", NULL)
    put_count(out, b',"droppedAttributesCount":', link.dropped_attributes)
    return put(out, b"}", 1)


cdef int put_count(Buffer out, const char *label, unsigned long long count) except -1:
    if not count:
        return 0
    put_plain(out, label)
    return put_unsigned(out, count)

