cdef class Rate:
    cdef readonly long long calls
    cdef readonly long long period_us
    cdef readonly long long burst
    cdef readonly long long interval
    cdef readonly long long speed
    cdef readonly long long capacity
