cimport cython


cdef class MemoryBudget:
    cdef double _max
    cdef double _max_large
    cdef double _for_small
    cdef double _max_unmeasured
    cdef double _large
    cdef double _unread
    cdef double[::1] _cells
    cdef Py_ssize_t _at

    @cython.locals(cells=cython.double[::1])
    cpdef bint has_plenty(self) except -1
    @cython.locals(cells=cython.double[::1], held=cython.double, others=cython.double, was_large=cython.bint)
    cpdef bint take(self, double count, double already) except -1
    @cython.locals(cells=cython.double[::1])
    cpdef bint count_unread(self, double more) except -1
    @cython.locals(cells=cython.double[::1])
    cpdef give_back(self, double count)


cdef class Hold:
    cdef MemoryBudget _budget
    cdef double _bytes

    @cython.locals(budget=MemoryBudget, more=cython.double)
    cpdef bint grow_to(self, double count) except -1
    @cython.locals(budget=MemoryBudget)
    cpdef measure(self, bytes body, payload)
    @cython.locals(budget=MemoryBudget, count=cython.double)
    cpdef release(self)
