cimport cython

from .engine_core cimport Engine
from .span_core cimport SpanCore

cdef class LocalTrace:
    cdef public Engine engine
    cdef public Py_ssize_t generation
    cdef public object trace_id
    cdef public bint is_random
    cdef public object flags
    cdef public object trace_state
    cdef public object offset_ns
    cdef public object held  # a test puts its own there
    cdef public object reason
    cdef public bint picked
    cdef public SpanCore root
    cdef public bint dropped
    cdef public bint failed
    cdef public Py_ssize_t evicted
    cdef public Py_ssize_t heavy_bytes

    cpdef begin(self, Engine engine, trace_id, bint is_random, flags, trace_state, offset_ns, held, reason, bint picked)
    cpdef now_ns(self)
    @cython.locals(engine=Engine)
    cpdef weigh(self, Py_ssize_t heavy_bytes)
    @cython.locals(engine=Engine)
    cpdef ended(self, SpanCore span)
    @cython.locals(engine=Engine)
    cdef _pass_on(self, SpanCore span)
    cdef bint _is_slow(self, SpanCore span) except -1
    cdef bint _revive(self, SpanCore span) except -1
    @cython.locals(engine=Engine, root=SpanCore, slow=bint)
    cpdef decide(self)
    cpdef promote(self, why)
    cdef bint _take(self) except -1
    @cython.locals(engine=Engine)
    cpdef keep(self, why, bint certain)
    @cython.locals(engine=Engine)
    cdef _certain(self)
    cpdef drop(self, why)
    @cython.locals(count=Py_ssize_t, span=SpanCore)
    cdef Py_ssize_t _forget(self, held, why) except -1
    @cython.locals(engine=Engine, spans=list, span=SpanCore)
    cdef _release(self, held)
    cdef _let_root_go(self, SpanCore root)
    cpdef evict(self)

cdef class MeteredTrace(LocalTrace):
    cdef public object on_end
