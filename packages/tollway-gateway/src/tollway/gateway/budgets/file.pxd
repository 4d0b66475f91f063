cimport cython

from .budget cimport Budget

cdef Py_ssize_t _WORDS
cdef Py_ssize_t _HEADER_WORDS
cdef Py_ssize_t _START
cdef Py_ssize_t _END
cdef Py_ssize_t _SPENT
cdef long long _LARGEST


cdef class BudgetFile:
    cdef public object now_s
    cdef public dict placed
    cdef Py_ssize_t _slots
    cdef int _file
    cdef object _lock
    cdef object _memory
    cdef long long[:] _words
    cdef long long[:] _reserved
    cdef long long[:] _own

    cpdef place(self, Budget budget)
    cpdef reserve_nowait(self, budgets, picousd)
    cpdef charge(self, budgets, starts, held, picousd, alert)
    cdef _open(self, state, share, patience_s)
    @cython.locals(
        words="long long[:]", reserved="long long[:]", now_s="long long", at=Py_ssize_t, slot=Py_ssize_t,
        budget=Budget, spent="long long", start_s="long long", amount="long long",
    )
    cdef _reserve(self, budgets, long long picousd)
    @cython.locals(
        words="long long[:]", reserved="long long[:]", at=Py_ssize_t, slot=Py_ssize_t, budget=Budget,
        before="long long", after="long long", start_s="long long",
    )
    cdef _charge(self, budgets, starts, long long held, long long picousd)
    cdef _begin(self, Py_ssize_t slot, window)
    cdef Py_ssize_t _find(self, long long first, long long second) except -1
    cdef _note(self, Py_ssize_t slot, long long start_s, long long picousd)
    cdef _take_back(self, long long[:] own)
