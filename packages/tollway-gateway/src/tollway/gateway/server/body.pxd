cdef class Body:
    cdef public bint complete
    cdef public bytes rest

    cpdef bytes feed(self, bytes data)
    cpdef Py_ssize_t left(self) except? -2


cdef class LengthBody(Body):
    cdef Py_ssize_t _left


cdef class ChunkedBody(Body):
    cdef Py_ssize_t _left
    cdef int _expects
    cdef object _line
    cdef Py_ssize_t _overhead
    cdef Py_ssize_t _chunks_left
    cdef Py_ssize_t _tiny
    cdef Py_ssize_t _trailer_bytes
    cdef Py_ssize_t _trailers

    cdef Py_ssize_t _read_line(self, bytes data, Py_ssize_t at) except -1
    cdef _check_length(self, Py_ssize_t length)
    cdef _take_line(self, bytes line)
    cdef _take_size(self, bytes line)
    cdef _take_trailer(self, bytes line)
