cdef class Connection:
    cdef public object loop
    cdef public object outbox
    cdef public object state
    cdef public object transport
    cdef public object server
    cdef public object client
    cdef public str scheme
    cdef public bint read_paused
    cdef public Py_ssize_t counted_bytes
    cdef public bint write_paused
    cdef public bint is_ending
    cdef public list unwritten
    cdef object _writable
    cdef object _default_headers
    cdef bytes _default_lines

    cpdef write(self, bytes data)
    cpdef flush(self)
    cpdef end(self)
    cpdef hang_up(self)
    cpdef resume(self)
    cpdef bint can_skip_body(self) except -1
    cpdef resume_reading(self)
    cpdef on_answered(self, exchange)
    cpdef bytes default_lines(self)
