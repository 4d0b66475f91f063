from ._protocol cimport ProtocolCore


cdef class ExchangeCore:
    cdef public ProtocolCore protocol
    cdef public dict scope
    cdef public object transport
    cdef public object flow
    cdef public bint keep_alive
    cdef public bint waiting_for_100_continue
    cdef public double received_s
    cdef public object body  # Uvicorn's `receive` puts bytes there
    cdef public bint more_body
    cdef public bint disconnected
    cdef public bint response_started
    cdef public bint response_complete
    cdef public object chunked_encoding
    cdef public object expected_content_length
    cdef public object status
    cdef public Py_ssize_t body_bytes
    cdef public object trace_id
    cdef public object task
    cdef public bint _has_news
    cdef public object _flag
    cdef bytes _head
    cdef object _gone

    cpdef news(self)
    cpdef no_news(self)
    cdef Py_ssize_t arrived(self, body) except -1
    cdef arrived_whole(self)
    cdef _send_body(self, body, bint more)
    cdef _heed(self, name, value)
    cdef _complete(self)
