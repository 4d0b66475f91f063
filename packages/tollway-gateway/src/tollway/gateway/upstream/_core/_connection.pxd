cdef class ConnectionCore:
    cdef object _new_future
    cdef object _outbox
    cdef object _unwritten
    cdef double _written_s
    cdef object _parser
    cdef object _transport
    cdef object _waiter
    cdef object _error
    cdef public bint closed
    cdef double _idle_since_s
    cdef double _began_s
    cdef double _woken_s
    cdef public int status
    cdef public double waited_s
    cdef public list raw_headers
    cdef Py_ssize_t _head_bytes
    cdef bint _keep_alive
    cdef list _body
    cdef Py_ssize_t _body_bytes
    cdef bint _unbounded
    cdef bint _paused
    cdef public bint answering
    cdef public bint head_complete
    cdef public bint complete

    cdef _reset(self)
    cpdef next(self)
    cpdef abort(self)
    cpdef take(self)
    cdef _hang_up(self)
    cdef _resume(self)
    cdef _stop_waiting(self)
    cdef _wake(self)
    cdef _fail(self, error)
    cdef _still_no_head(self, Py_ssize_t more_bytes)
