from .connection cimport Connection
from .head cimport RequestHead


cdef class ExchangeCore:
    cdef public Connection connection
    cdef public dict scope
    cdef public double received_s
    cdef public bint keep_alive
    cdef public bint expects_continue
    cdef public bint is_http10
    cdef public bint is_head
    cdef public object status
    cdef public Py_ssize_t body_bytes
    cdef public object trace_id
    cdef public object caller
    cdef public object task
    cdef public bint body_complete
    cdef public Py_ssize_t untaken
    cdef public bint disconnected
    cdef public bint response_started
    cdef public bint response_complete
    cdef list _pieces
    cdef public object _body_error
    cdef public bint _has_news
    cdef public object _waiter
    cdef bytes _head
    cdef bint _has_body
    cdef bint _is_chunked
    cdef Py_ssize_t _length_left
    cdef public object on_hang_up

    cdef dict _scope_of(self, RequestHead head)
    cdef arrived_with_head(self, bytes body)
    cdef Py_ssize_t arrived(self, bytes piece) except -1
    cdef arrived_whole(self)
    cdef body_failed(self, error)
    cpdef take_body(self)
    cdef news(self)
    cpdef hung_up(self)
    cdef _start(self, status)
    cdef bytes _connection_line(self)
    cdef bytes _head_of(self, status, headers)
    cdef _heed(self, name, value)
    cdef bytes _framing_line(self, status)
    cdef _send_body(self, body, bint more)
    cdef bytes _framed(self, body, bint more)
    cdef _complete(self)
