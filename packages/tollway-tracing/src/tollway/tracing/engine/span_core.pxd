cimport cython

from .engine_core cimport Engine
from .local_trace_core cimport LocalTrace
from .tracer_core cimport TracerCore

cdef class SpanCore:
    cdef public TracerCore _tracer
    cdef public LocalTrace _local
    cdef public object _span_id
    cdef public object _parent_span
    cdef public object _name
    cdef public object _kind
    cdef public dict _own_attributes
    cdef public list _raw_links
    cdef public object _start_time
    cdef public int _on_exception
    cdef public object _end_time
    cdef public object _known_context
    cdef public list _raw_events
    cdef public object _status
    cdef public list _dropped
    cdef public list _deferred

    @cython.locals(local=LocalTrace, engine=Engine)
    cpdef end(self, end_time=*)
    @cython.locals(local=LocalTrace)
    cpdef get_span_context(self)
    @cython.locals(local=LocalTrace)
    cpdef raw_context(self)
    @cython.locals(local=LocalTrace)
    cdef _weigh(self, Py_ssize_t heavy_bytes)
    @cython.locals(local=LocalTrace, items=dict)
    cdef dict _event_attributes(self, attributes)
    @cython.locals(items=dict)
    cpdef resolve_attributes(self)
    @cython.locals(items=dict)
    cpdef dict all_attributes(self)
    cpdef count_dropped(self, Py_ssize_t attributes=*, Py_ssize_t events=*, Py_ssize_t links=*)
