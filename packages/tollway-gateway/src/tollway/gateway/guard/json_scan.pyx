"""One look through a large JSON text: is it valid, where are its values, how much memory would they take.

What is not usual is left to a parser: `scan` returns None for it. What it accepts, orjson accepts.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcmp

ctypedef unsigned char *Bytes

cdef enum:
    MAX_DEPTH = 254
    MAX_NUMBER = 300  # digits: no finite number that is written without an exponent is beyond a double's range
    MAX_KEYS = 1000

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__SSE2__)
    #include <emmintrin.h>
    #define STEP 16
    /* Bits, one a byte, for a control character, a quote, a backslash, a byte beyond ASCII (negative). */
    static inline uint64_t special(const unsigned char *at) {
        const __m128i word = _mm_loadu_si128((const __m128i *)at);
        const __m128i low = _mm_cmplt_epi8(word, _mm_set1_epi8(0x20));
        const __m128i quote = _mm_cmpeq_epi8(word, _mm_set1_epi8(0x22));
        const __m128i slash = _mm_cmpeq_epi8(word, _mm_set1_epi8(0x5c));
        return (uint64_t)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
    }
    #define FIRST(bits) __builtin_ctzll(bits)
    #else
    #define STEP 8
    /* The same in the highest bit of each byte. A borrow comes only from a byte below that is special. */
    static inline uint64_t special(const unsigned char *at) {
        const uint64_t ones = 0x0101010101010101ULL;
        uint64_t word;
        memcpy(&word, at, 8);
        return (word | (word - 0x20 * ones) | ((word ^ 0x22 * ones) - ones) | ((word ^ 0x5c * ones) - ones))
            & 0x80 * ones;
    }
    #if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define FIRST(bits) (__builtin_ctzll(bits) >> 3)
    #else
    #define FIRST(bits) 0
    #endif
    #endif
    #if defined(_MSC_VER)
    #undef FIRST
    #define FIRST(bits) 0
    #endif
    """
    Py_ssize_t STEP
    uint64_t special(Bytes at) noexcept nogil
    int FIRST(uint64_t bits) noexcept nogil


cdef struct Seen:
    Py_ssize_t nodes
    int width  # of the widest character of a string, as Python holds it
    bint has_role  # the last object: a member `role` that is a string


cdef inline bint is_hex(unsigned char sign) noexcept nogil:
    return 48 <= sign <= 57 or 65 <= sign <= 70 or 97 <= sign <= 102


cdef inline bint follows(unsigned char sign) noexcept nogil:
    """Say whether a byte goes on with a character in UTF-8."""
    return (sign & 0xC0) == 0x80


cdef inline int wide(Bytes at) noexcept nogil:
    """Return the length of a character of several bytes in UTF-8; 0 where it is none.

    No look goes beyond the zero byte that ends a Python string of bytes.
    """
    cdef unsigned char first = at[0]
    if first < 0xC2:
        return 0
    if first < 0xE0:
        return 2 if follows(at[1]) else 0
    if first < 0xF0:
        if not follows(at[1]) or (first == 0xE0 and at[1] < 0xA0) or (first == 0xED and at[1] > 0x9F):
            return 0
        return 3 if follows(at[2]) else 0
    if first > 0xF4 or not follows(at[1]) or (first == 0xF0 and at[1] < 0x90) or (first == 0xF4 and at[1] > 0x8F):
        return 0
    return 4 if follows(at[2]) and follows(at[3]) else 0


cdef inline int escape(Bytes at) noexcept nogil:
    """Return the length of an escape; 0 where it is none, or half of a surrogate pair."""
    cdef unsigned char sign = at[1]
    if sign in (34, 47, 92, 98, 102, 110, 114, 116):  # "/\bfnrt
        return 2
    if sign != 117 or not (is_hex(at[2]) and is_hex(at[3]) and is_hex(at[4]) and is_hex(at[5])):
        return 0
    if (at[2] | 0x20) == 100 and at[3] >= 56:  # \ud8.. to \udf..
        return 0
    return 6


cdef Bytes string(Bytes at, Bytes end, Seen *seen) noexcept nogil:
    """Return where the string ends that goes on here, behind its quote; NULL where it is none."""
    cdef unsigned char sign
    cdef uint64_t bits
    cdef int length
    while True:
        while end - at >= STEP:
            bits = special(at)
            if bits:
                at += FIRST(bits)
                break
            at += STEP
        # Characters of several bytes, and escapes, come together: they are read one by one.
        while True:
            sign = at[0]
            if sign == 34:
                return at + 1
            if sign < 0x20:  # also the zero byte at the end
                return NULL
            if sign == 92:
                seen.width = max(seen.width, 2)
                length = escape(at)
            elif sign < 0x80:
                at += 1
                break
            else:
                length = wide(at)
                seen.width = max(seen.width, 4 if length == 4 else 2)
            if length == 0:
                return NULL
            at += length


cdef inline Bytes blank(Bytes at) noexcept nogil:
    """Return where white space ends."""
    while at[0] == 32 or at[0] == 10 or at[0] == 13 or at[0] == 9:
        at += 1
    return at


cdef Bytes number(Bytes at) noexcept nogil:
    """Return where a number ends; NULL where it is none, or is an unusual one."""
    cdef Bytes start = at
    if at[0] == 45:
        at += 1
    if at[0] == 48:
        at += 1
    elif 49 <= at[0] <= 57:
        while 48 <= at[0] <= 57:
            at += 1
    else:
        return NULL
    if at[0] == 46:
        at += 1
        if not 48 <= at[0] <= 57:
            return NULL
        while 48 <= at[0] <= 57:
            at += 1
    return NULL if at[0] in (69, 101) or at - start > MAX_NUMBER else at


cdef Bytes value(Bytes at, Bytes end, int depth, Seen *seen) noexcept nogil:
    """Return where a value ends; NULL where it is none."""
    cdef unsigned char sign = at[0]
    if sign == 34:
        return string(at + 1, end, seen)
    if sign == 123:
        return members(at + 1, end, depth, seen)
    if sign == 91:
        return elements(at + 1, end, depth, seen, NULL)
    if sign == 116:
        return at + 4 if end - at >= 4 and memcmp(at, b"true", 4) == 0 else NULL
    if sign == 102:
        return at + 5 if end - at >= 5 and memcmp(at, b"false", 5) == 0 else NULL
    if sign == 110:
        return at + 4 if end - at >= 4 and memcmp(at, b"null", 4) == 0 else NULL
    return number(at)


cdef Bytes members(Bytes at, Bytes end, int depth, Seen *seen) noexcept nogil:
    """Return where the object ends whose members begin here."""
    cdef Bytes key
    cdef bint is_role, has_role = False
    if depth >= MAX_DEPTH:
        return NULL
    seen.nodes += 3
    at = blank(at)
    if at[0] == 125:
        seen.has_role = False
        return at + 1
    while True:
        if at[0] != 34:
            return NULL
        key = at
        at = string(at + 1, end, seen)
        if at == NULL:
            return NULL
        is_role = at - key == 6 and memcmp(key, b'"role"', 6) == 0
        at = blank(at)
        if at[0] != 58:
            return NULL
        at = blank(at + 1)
        if is_role:
            has_role = at[0] == 34
        at = value(at, end, depth + 1, seen)
        if at == NULL:
            return NULL
        at = blank(at)
        if at[0] == 125:
            seen.has_role = has_role
            return at + 1
        if at[0] != 44:
            return NULL
        seen.nodes += 1
        at = blank(at + 1)


cdef Bytes elements(Bytes at, Bytes end, int depth, Seen *seen, int *kind) noexcept nogil:
    """Return where the array ends whose elements begin here.

    `kind` becomes 2 where it has some, and all are objects with a role, 1 where all are objects, else 0.
    """
    cdef int least = 2
    if depth >= MAX_DEPTH:
        return NULL
    seen.nodes += 1
    at = blank(at)
    if at[0] == 93:
        return at + 1
    while True:
        if at[0] != 123:
            least = 0
            at = value(at, end, depth + 1, seen)
        else:
            at = members(at + 1, end, depth + 1, seen)
            if not seen.has_role:
                least = min(least, 1)
        if at == NULL:
            return NULL
        at = blank(at)
        if at[0] == 93:
            if kind != NULL:
                kind[0] = least
            return at + 1
        if at[0] != 44:
            return NULL
        seen.nodes += 1
        at = blank(at + 1)


def scan(bytes body):
    """Return the members of an object (see `json_scan.py`), the nodes and the width of its characters."""
    cdef Bytes start = body
    cdef Bytes end = start + len(body)
    cdef Bytes at, key
    cdef Seen seen = Seen(4, 1, False)
    cdef int kind
    cdef dict found = {}
    at = blank(start)
    if at[0] != 123:
        return None
    at = blank(at + 1)
    while True:
        if at[0] != 34:
            return None
        key = at + 1
        at = string(key, end, &seen)
        if at == NULL:
            return None
        name = key[:at - key - 1]
        at = blank(at)
        if b"\\" in name or name in found or len(found) >= MAX_KEYS or at[0] != 58:
            return None
        at = key = blank(at + 1)
        kind = 0
        if at[0] == 91:
            at = elements(at + 1, end, 1, &seen, &kind)
        else:
            at = value(at, end, 1, &seen)
        if at == NULL:
            return None
        found[name] = (key - start, at - start, kind)
        at = blank(at)
        if at[0] == 125:
            break
        if at[0] != 44:
            return None
        seen.nodes += 1
        at = blank(at + 1)
    if blank(at + 1) != end:
        return None
    return {name.decode(): place for name, place in found.items()}, seen.nodes, seen.width
