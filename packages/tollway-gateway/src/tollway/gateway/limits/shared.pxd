cimport cython

from .bucket cimport adjusted, allows, decision, missing_at
from .rate cimport Rate

cdef Py_ssize_t _WORDS
cdef Py_ssize_t _STATE
cdef Py_ssize_t _SPEED
cdef Py_ssize_t _PLACES
cdef Py_ssize_t _WINDOW
cdef long long _COUNTS
cdef long long _RESERVED


cdef class SharedStore:
    cdef object __weakref__
    cdef object _clock_ns
    cdef Py_ssize_t _slots
    cdef object _file
    cdef long long[::1] _words
    cdef dict _known
    cdef object _on_evict

    @cython.locals(
        now_us=cython.longlong, tokens=cython.longlong, missing=cython.longlong, rate=Rate, at=cython.Py_ssize_t,
        all_allowed=cython.bint, allowed=cython.bint, decisions=list
    )
    cpdef take_nowait(self, claims)
    @cython.locals(now_ns=cython.longlong)
    cdef long long _now_us(self) except? -1
    @cython.locals(place=cython.Py_ssize_t)
    cdef long long _missing(self, Py_ssize_t at, Rate rate, long long now_us) except? -1
    @cython.locals(place=cython.Py_ssize_t, state=cython.longlong)
    cdef _write(self, Py_ssize_t at, long long missing, long long now_us)
    @cython.locals(known=tuple, at=cython.Py_ssize_t, first=cython.longlong, second=cython.longlong)
    cdef Py_ssize_t _slot(self, Rate rate, key, long long now_us) except? -1
    @cython.locals(
        start=cython.Py_ssize_t, free=cython.Py_ssize_t, place=cython.Py_ssize_t, at=cython.Py_ssize_t,
        free_at_us=cython.longlong, full_at_us=cython.longlong
    )
    cdef Py_ssize_t _find(self, Rate rate, long long first, long long second, long long now_us) except? -1
    @cython.locals(place=cython.Py_ssize_t, speed=cython.longlong)
    cdef long long _full_at_us(self, Py_ssize_t at) except? -1
    @cython.locals(word=cython.Py_ssize_t)
    cdef Py_ssize_t _claim(
        self, Py_ssize_t at, bint evicts, Rate rate, long long first, long long second
    ) except? -1
