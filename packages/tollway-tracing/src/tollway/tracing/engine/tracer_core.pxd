cimport cython

from .engine_core cimport Engine
from .local_trace_core cimport LocalTrace
from .span_core cimport SpanCore


cdef class TracerCore:
    cdef public Engine engine
    cdef public object span_type
    cdef public object scope
    cdef public object instrumentation_info
    cdef public object resource
    cdef public object sampler
    cdef public bint is_enabled
    cdef public object metrics
    cdef public object limits
    cdef public double max_attributes
    cdef public double max_events
    cdef public double max_links
    cdef public bint cuts_values
    cdef public object id_generator
    cdef public bint has_random_ids
    cdef public object new_span_id
    cdef public object new_trace_id
    cdef public object span_bits
    cdef public object trace_bits

    @cython.locals(local=LocalTrace, engine=Engine)
    cdef bint _is_ours(self, SpanCore parent) except -1

    @cython.locals(engine=Engine, span=SpanCore)
    cdef SpanCore _make(
        self, LocalTrace local, parent, name, kind, attributes, links, start_time, bint records, bint sets_status
    )

    @cython.locals(own=dict, own_links=list, local=LocalTrace)
    cdef _give(self, SpanCore span, attributes, links)

    @cython.locals(engine=Engine, local=LocalTrace, span=SpanCore)
    cdef _start_apart(self, parent, name, context, tuple rest, threshold, bint force)

    cdef LocalTrace _root_of(self, parent, parent_context, threshold, bint force)

    @cython.locals(engine=Engine, local=LocalTrace)
    cdef LocalTrace _local(self, parent, flags, held, reason)

    @cython.locals(engine=Engine, local=LocalTrace, is_random=bint, picked=bint, flags=tuple)
    cdef LocalTrace _new_trace(self, threshold, bint force)

    @cython.locals(engine=Engine, local=LocalTrace, span=SpanCore)
    cdef _start_by_sampler(self, parent, parent_context, name, context, tuple rest)
