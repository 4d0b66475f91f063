cimport cython

from .bucket cimport adjusted, allows, decision, missing_at
from .rate cimport Rate


cdef class Bucket:
    cdef readonly Rate rate
    cdef public long long missing
    cdef public long long since_us

    cpdef long long missing_at(self, long long now_us) except? -1
    cpdef long long full_at_us(self) except? -1


cdef class LocalStore:
    cdef object _clock_ns
    cdef Py_ssize_t _max_buckets
    cdef dict _reserved
    cdef dict _buckets
    cdef object _on_evict

    @cython.locals(
        now_us=cython.longlong, tokens=cython.longlong, rate=Rate, bucket=Bucket, all_allowed=cython.bint,
        allowed=cython.bint, asked=list, decisions=list
    )
    cpdef take_nowait(self, claims)
    @cython.locals(now_ns=cython.longlong)
    cdef long long _now_us(self) except? -1
    @cython.locals(bucket=Bucket)
    cdef Bucket _bucket(self, Rate rate, key)
    cdef _forget(self)
