cimport cython

from .record cimport Record, Recorder


cdef class AttemptRecord:
    cdef public object endpoint
    cdef Record _record
    cdef object _call
    cdef object _permit
    cdef object _reason
    cdef double _started_s
    cdef object _content
    cdef object _first_token_s
    cdef double _chunk_s
    cdef object _cost_picousd
    cdef public object info
    cdef public object body
    cdef public object upstream_headers
    cdef public object cancelled_by
    cdef bint _is_resolved
    cdef bint _is_cut
    cdef public object span
    cdef public object raw_context

    @cython.locals(record=Record)
    cpdef waited(self, double for_s)
    @cython.locals(record=Record, recorder=Recorder, took_s=cython.double)
    cpdef answered(self, answer=*)
    cpdef end(self, error=*)
    @cython.locals(recorder=Recorder, now_s=cython.double, before_s=cython.double)
    cdef _measure_chunk(self)
    @cython.locals(recorder=Recorder)
    cdef _measure(self, error)
    @cython.locals(record=Record, recorder=Recorder)
    cdef _account(self, info, error)
    cdef _settle(self, error)
    @cython.locals(record=Record, recorder=Recorder)
    cdef _failed(self, error, kind)
    cdef dict _known(self)
