cimport cython

from ._exchange cimport ExchangeCore


cdef class ProtocolCore:
    cdef public object loop
    cdef public object app
    cdef public object parser
    cdef public object root_path
    cdef public object asgi_version
    cdef public object app_state
    cdef public object timeout_keep_alive_task
    cdef public object timeout_keep_alive
    cdef public object server_state
    cdef public object tasks
    cdef public object transport
    cdef public object flow
    cdef public object server
    cdef public object client
    cdef public object scheme
    cdef public object pipeline
    cdef public object outbox
    cdef public object exchange_type
    cdef public object extension
    cdef public object scope
    cdef public list headers
    cdef public bint expect_100_continue
    cdef public ExchangeCore cycle
    cdef public bytes url
    cdef double _received_s
    cdef public object idle_since_s
    cdef object _default_headers
    cdef bytes _default_lines
    cdef list _unwritten
    cdef bint _closes

    cpdef write(self, bytes data)
    cpdef close(self)
    cpdef when_written(self, call)
    cpdef leave(self)
    cpdef bytes default_lines(self)
    @cython.locals(exchange=ExchangeCore)
    cpdef on_body(self, bytes body)
    @cython.locals(exchange=ExchangeCore)
    cpdef on_message_complete(self)
    cdef _start(self, ExchangeCore exchange)
    cpdef on_response_complete(self)
    cdef _set_keep_alive_timer(self, after_s)
    @cython.locals(before=ExchangeCore, exchange=ExchangeCore)
    cpdef on_headers_complete(self)
