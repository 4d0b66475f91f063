cimport cython


cdef class Recorder:
    cdef public object metrics
    cdef public object tracer
    cdef public object clock_s
    cdef public bint is_servers_clock
    cdef public object content
    cdef public object slow_s
    cdef public bint measures
    cdef public Py_ssize_t cut_off


cdef class Record:
    cdef public Recorder recorder
    cdef object _route
    cdef public double started_s
    cdef public object labels
    cdef public object caller
    cdef public object route_name
    cdef public object status
    cdef public object usage
    cdef public object spending
    cdef public object cost_picousd
    cdef public bint is_priced
    cdef public object last_attempt
    cdef public double waited_s
    cdef public object sent_status
    cdef object _scope
    cdef bint _is_resolved
    cdef public object span
    cdef public object context
    cdef object _raw_context
    cdef public object trace_id
    cdef public object trace_lines

    @cython.locals(recorder=Recorder)
    cpdef failed(self, status, code, sent_status)
    @cython.locals(recorder=Recorder, latency_s=cython.double, overhead_s=cython.double)
    cpdef close(self)
    cdef dict _known(self)
    @cython.locals(recorder=Recorder)
    cdef bint _kept(self, double latency_s) except -1
