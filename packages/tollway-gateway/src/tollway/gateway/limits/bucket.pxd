from .rate cimport Rate

cdef long long _MAX_MISSING

cpdef long long missing_at(Rate rate, long long missing, long long since_us, long long now_us) except? -1
cpdef bint allows(Rate rate, long long missing, long long tokens) except? -1
cpdef long long adjusted(Rate rate, long long missing, long long tokens) except? -1
cpdef decision(Rate rate, long long missing, long long tokens, bint allowed)
