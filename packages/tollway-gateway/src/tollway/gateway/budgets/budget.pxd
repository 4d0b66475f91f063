cdef class Budget:
    cdef public str name
    cdef public bytes key
    cdef public object amount_picousd
    cdef public object period
    cdef public object zone
    cdef public object store
    cdef public object alert_picousd
    cdef public Py_ssize_t slot
    cdef public object _window

    cpdef window(self, now_s)
