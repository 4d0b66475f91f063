cdef class Counts:
    cdef public Py_ssize_t started
    cdef public Py_ssize_t kept_spans
    cdef public dict kept
    cdef public dict dropped
    cdef public dict dropped_traces
