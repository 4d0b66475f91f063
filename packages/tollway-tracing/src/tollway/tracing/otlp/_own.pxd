# What `store/_fast_path.pyx` and `_wire.pyx` have of `_own.pyx`: bytes that grow, and the pen that writes spans
# there.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcpy, strlen


cdef class Buffer:
    cdef char *data
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    cdef int grow(self, Py_ssize_t more) except -1
    cdef int empty(self) except -1


cdef inline int put(Buffer out, const char *text, Py_ssize_t size) except -1:
    if size > out.room - out.size:
        out.grow(size)
    memcpy(out.data + out.size, text, size)
    out.size += size
    return 0


cdef inline int put_plain(Buffer out, const char *text) except -1:
    """Add what ends with a zero: a piece of JSON that stands in this file."""
    return put(out, text, strlen(text))


cdef inline int put_bytes(Buffer out, bytes text) except -1:
    if text is None:
        raise TypeError("not bytes")
    return put(out, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int put_hex(Buffer out, unsigned long long value) except -1
cdef int put_raw_hex(Buffer out, const char *data, Py_ssize_t size) except -1
cdef int put_decimal(Buffer out, long long value) except -1
cdef int put_unsigned(Buffer out, unsigned long long value) except -1
cdef int put_utf8(Buffer out, const char *text, Py_ssize_t size) except -1
cdef int put_nanoseconds(Buffer out, int value) except -1
cdef int put_double(Buffer out, double value) except -1


cdef class Pen:
    cdef Buffer out
    cdef bint binary
    cdef object translate
    cdef bint always
    cdef object local
    cdef unsigned long long high
    cdef unsigned long long low
    cdef object state
    cdef bytes state_field

    cdef int turn_to(self, object local) except -1
    cdef bytes field_of(self, object state)
    cdef int put_trace_id(self) except -1
    cdef int put_span(self, object span) except -1
    cdef int put_ids(self, unsigned long long span_id, object parent, int flags) except -1
    cdef int put_raw_trace_id(self) except -1
    cdef int put_flags(self, int flags) except -1
    cdef int put_optional(self, object span, object tracer) except -1
