cimport cython

from .body cimport Body
from .connection cimport Connection
from .exchange_core cimport ExchangeCore
from .head cimport RequestHead


cdef class HTTPProtocol(Connection):
    cdef public object service
    cdef public object limits
    cdef public ExchangeCore exchange
    cdef public double deadline_s
    cdef bint _is_new
    cdef double _received_s
    cdef public object _waiting
    cdef Py_ssize_t _searched
    cdef Body _body
    cdef bint _is_broken
    cdef bint _lingers
    cdef Py_ssize_t _skip_left
    cdef object _memory
    cdef Py_ssize_t _unsent

    @cython.locals(end=Py_ssize_t)
    cdef _read_request(self, bytes data)
    @cython.locals(end=Py_ssize_t)
    cdef _read_waiting(self)
    cdef _await_head(self)
    cdef _refuse_waiting(self, why)
    @cython.locals(head=RequestHead, exchange=ExchangeCore, length=Py_ssize_t)
    cdef _begin(self, bytes data, bytes behind)
    cdef _refuse(self, RequestHead head, error)
    cdef _await_body(self, Body body)
    @cython.locals(body=Body, exchange=ExchangeCore)
    cdef bytes _read_body(self, bytes data)
    cdef _read_later(self, bytes data)
    @cython.locals(left=Py_ssize_t, exchange=ExchangeCore)
    cpdef _read_waiting_body(self)
    @cython.locals(exchange=ExchangeCore)
    cdef _break(self, error)
    cdef _skip(self, Py_ssize_t size)
    @cython.locals(exchange=ExchangeCore)
    cdef _hold_waiting(self)
    @cython.locals(exchange=ExchangeCore, held=Py_ssize_t, more=Py_ssize_t)
    cdef bint _count_held(self) except -1
    cdef _pause_reading(self)
    cdef _go_on(self)
    cdef _end(self, bint lingers=*)
