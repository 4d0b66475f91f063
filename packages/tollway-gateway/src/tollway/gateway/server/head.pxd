cdef class RequestHead:
    cdef public str method
    cdef public bytes target
    cdef public str http_version
    cdef public str path
    cdef public bytes raw_path
    cdef public bytes query
    cdef public list headers
    cdef public Py_ssize_t content_length
    cdef public bint chunked
    cdef public bint keep_alive
    cdef public bint expects_continue
    cdef bint _complete
    cdef bytes _line
    cdef bint _asks_to_close
    cdef Py_ssize_t _host_at
    cdef list _codings

    cpdef parse(self, bytes data)
    cpdef read_request_line(self, bytes data)
    cdef _parse_request_line(self, bytes line)
    cpdef on_header(self, bytes name, bytes value)
    cdef _read_length(self, bytes value)
    cdef _read_host(self, bytes value)
    cdef _read_connection(self, bytes value)
    cdef _check_framing(self)
    cdef _check_target(self)
    cdef _read_target(self)
