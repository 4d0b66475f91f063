cimport cython


cdef class Histogram:
    cdef double[::1] _cells
    cdef double[::1] _bounds
    cdef Py_ssize_t _first
    cdef Py_ssize_t _count

    @cython.locals(cells=cython.double[::1], bounds=cython.double[::1], count=Py_ssize_t, place=Py_ssize_t)
    cpdef Py_ssize_t observe(self, double value) except -1


cdef class AnswerCells:
    cdef double[::1] _cells
    cdef Py_ssize_t _requests
    cdef Histogram _latency
    cdef Histogram _overhead
    cdef dict _exemplars

    @cython.locals(
        cells=cython.double[::1], latency=Histogram, overhead=Histogram, exemplars=dict,
        of_latency=Py_ssize_t, of_overhead=Py_ssize_t
    )
    cpdef count(self, double latency_s, double overhead_s, trace_id)


cdef class TokenCells:
    cdef double[::1] _cells
    cdef Py_ssize_t _inputs
    cdef Py_ssize_t _outputs

    @cython.locals(cells=cython.double[::1])
    cpdef count(self, inputs, outputs)
