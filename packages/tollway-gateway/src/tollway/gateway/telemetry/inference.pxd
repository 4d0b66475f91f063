cimport cython

from .cells cimport Histogram


cdef class InferenceCells:
    cdef object _metrics
    cdef object _attributes
    cdef dict _others
    cdef tuple _who
    cdef bint _has_usage
    cdef object _duration
    cdef dict _durations
    cdef Histogram _first_chunk
    cdef Histogram _per_chunk
    cdef dict _counters

    @cython.locals(durations=Histogram)
    cpdef ended(self, double took_s, error, usage)
    @cython.locals(first=Histogram)
    cpdef began(self, double after_s)
    @cython.locals(following=Histogram)
    cpdef chunk(self, double after_s)
    cdef _used(self, usage)
    cdef _by_modality(self, kind, whole, image, audio)
    cdef _add(self, kind, modality, count)
