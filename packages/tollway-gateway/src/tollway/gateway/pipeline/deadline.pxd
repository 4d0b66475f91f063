cimport cython


cdef class Timers:
    cdef public object loop
    cdef public dict lanes
    cdef object _time

    @cython.locals(lanes=dict, lane=_Lane)
    cpdef set(self, double within_s, double when_s, ring)
    cpdef double now_s(self) except? -1


cdef class _Lane:
    cdef object _loop
    cdef public dict entries
    cdef public double last_s
    cdef public object handle

    cpdef wake_at(self, double when_s)


cdef class _Entry:
    cdef _Lane _lane
    cdef double _when_s
    cdef public object ring

    cpdef double when(self) except? -1
    @cython.locals(lane=_Lane, entries=dict)
    cpdef cancel(self)


cdef class Deadline:
    cdef object _receive
    cdef object _exchange
    cdef Timers _timers
    cdef object _total
    cdef double _end_s
    cdef object _task
    cdef public object reason
    cdef object _receiving
    cdef object _awaited
    cdef object _timer
    cdef double _when_s
    cdef object _error

    @cython.locals(timers=Timers)
    cpdef double left_s(self) except? -1
    @cython.locals(timers=Timers, within_s=cython.double, when_s=cython.double)
    cpdef expect(self, limit)
    @cython.locals(timers=Timers)
    cdef _set_anew(self)
    cdef _listen(self)
    cdef _heard(self, message)
    cdef _interrupt(self, reason)
    cdef _stop_listening(self)
