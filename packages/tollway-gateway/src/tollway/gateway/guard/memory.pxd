cimport cython


cdef class MemoryBudget:
    cdef double _max
    cdef double _max_large
    cdef double _for_small
    cdef public double max_unmeasured
    cdef double _large
    cdef double _unread
    cdef public object cells
    cdef public Py_ssize_t at

    @cython.locals(held=cython.double, others=cython.double, was_large=cython.bint)
    cpdef bint take(self, double count, double already) except -1
    cpdef bint count_unread(self, double more) except -1
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
