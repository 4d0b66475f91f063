cimport cython

cdef Py_ssize_t _HIGH_WATER_BYTES
cdef Py_ssize_t _MAX_FRAMING_BYTES
cdef Py_ssize_t _MAX_FIELDS
cdef Py_ssize_t _MAX_PIECES
cdef Py_ssize_t _TURN_BYTES
cdef Py_ssize_t _PIECES_A_TURN
cdef Py_ssize_t _TINY_BYTES
cdef Py_ssize_t _MAX_TINY
cdef Py_ssize_t _TINY_A_READ


cdef class ConnectionCore:
    cdef object _new_future
    cdef object _call_soon
    cdef object _outbox
    cdef object _clock
    cdef object _unwritten
    cdef double _written_s
    cdef object _parser
    cdef public object transport
    cdef object _waiter
    cdef object _error
    cdef public bint closed
    cdef double _began_s
    cdef double _woken_s
    cdef public double connected_in_s
    cdef public int exchanges
    cdef public int status
    cdef public double waited_s
    cdef public list raw_headers
    cdef public bytes content_encoding
    cdef Py_ssize_t _field_count
    cdef Py_ssize_t _field_bytes
    cdef Py_ssize_t _framing_bytes
    cdef bint _keep_alive
    cdef list _joined
    cdef list _body
    cdef Py_ssize_t _body_bytes
    cdef bytes _unparsed
    cdef Py_ssize_t _pieces
    cdef Py_ssize_t _tiny
    cdef Py_ssize_t _check_at_bytes
    cdef Py_ssize_t _max_bytes
    cdef bint _paused
    cdef public bint answering
    cdef public bint head_complete
    cdef public bint complete

    cdef _reset(self)
    cpdef ask(self, data, Py_ssize_t max_bytes=*)
    cpdef next(self)
    cpdef abort(self)
    cpdef take(self)
    cdef _hang_up(self)
    cdef _resume(self)
    cdef _pause(self)
    @cython.locals(at=Py_ssize_t)
    cdef _parse(self, bytes data)
    cpdef parse_on(self)
    cdef _parse_part(self, data)
    cdef _stop_waiting(self)
    cdef _wake(self)
    cdef _fail(self, error)
    cdef _refuse(self, message)
    cdef _check_body(self)
    cdef _cut_error(self)
    cpdef on_header(self, bytes name, bytes value)
