from .counts cimport Counts


cdef class Engine:
    cdef public object _meter
    cdef public object multi
    cdef public object wall_ns
    cdef public object monotonic_ns
    cdef public object sampler
    cdef public object slow_ns
    cdef public object max_held_spans
    cdef public object max_held_bytes
    cdef public object held_state
    cdef public object picked_state
    cdef public object _certain_state
    cdef public Py_ssize_t generation
    cdef public bint _with_timer
    cdef public object _several
    cdef public object _processors
    cdef public tuple starting
    cdef public tuple ending
    cdef public dict ending_at
    cdef public Counts counts
    cdef public dict open
    cdef public Py_ssize_t held
    cdef public Py_ssize_t _heavy_bytes
    cdef public dict kept_from_elsewhere
    cdef public object _timer
    cdef public object _timer_lock
    cdef public object _stop
    cdef object __weakref__

    cpdef opened(self, local)
    cpdef look_at_processors(self)
    cpdef emit(self, span)
    cpdef emit_all(self, list spans)
    cpdef certain_state(self, state)
    cpdef noted_kept(self, local)
    cpdef weigh(self, Py_ssize_t heavy_bytes)
