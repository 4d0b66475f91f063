# Bytes that grow, and JSON's words and numbers in them.


cdef class Buffer:
    """Bytes that grow."""

    def __dealloc__(self):
        PyMem_Free(self.data)

    cdef int grow(self, Py_ssize_t more) except -1:
        """Make room for so many bytes, and for as many again as there are."""
        cdef Py_ssize_t room
        cdef char *data
        if more > PY_SSIZE_T_MAX // 2 - self.size:
            raise MemoryError
        room = max(self.size + more, 2 * self.room, 4096)
        data = <char *> PyMem_Realloc(self.data, room)
        if data == NULL:
            raise MemoryError
        self.data = data
        self.room = room
        return 0

    cdef int empty(self) except -1:
        """Forget what is in it, and give back what one large trace made it hold."""
        self.size = 0
        if self.room > MAX_KEPT_BYTES:
            PyMem_Free(self.data)
            self.data = NULL
            self.room = 0
        return 0


cdef int put_hex(Buffer out, unsigned long long value) except -1:
    """Add sixteen digits."""
    cdef int digit
    cdef char *place
    if out.room - out.size < 16:
        out.grow(16)
    place = out.data + out.size
    for digit in range(16):
        place[digit] = HEX[(value >> (60 - 4 * digit)) & 15]
    out.size += 16
    return 0


cdef int put_raw_hex(Buffer out, const char *data, Py_ssize_t size) except -1:
    """Add two digits a byte."""
    cdef Py_ssize_t at
    cdef char *place
    if out.room - out.size < 2 * size:
        out.grow(2 * size)
    place = out.data + out.size
    for at in range(size):
        place[2 * at] = HEX[(<unsigned char> data[at]) >> 4]
        place[2 * at + 1] = HEX[data[at] & 15]
    out.size += 2 * size
    return 0


cdef int put_decimal(Buffer out, long long value) except -1:
    if value >= 0:
        return put_unsigned(out, <unsigned long long> value)
    put(out, b"-", 1)
    return put_unsigned(out, 0 - <unsigned long long> value)


cdef int put_unsigned(Buffer out, unsigned long long value) except -1:
    cdef char[20] digits
    cdef int first = 20
    cdef unsigned long long rest = value
    while rest >= 100:  # two digits a division
        first -= 2
        memcpy(digits + first, PAIRS + 2 * (rest % 100), 2)
        rest //= 100
    while True:
        first -= 1
        digits[first] = <char> (48 + rest % 10)
        rest //= 10
        if rest == 0:
            break
    return put(out, digits + first, 20 - first)


cdef int put_nanoseconds(Buffer out, int value) except -1:
    """Add the nine digits of the nanoseconds of a second."""
    cdef char[9] digits
    cdef int place
    for place in range(8, -1, -1):
        digits[place] = <char> (48 + value % 10)
        value //= 10
    return put(out, digits, 9)


cdef int put_double(Buffer out, double value) except -1:
    """Add what `repr` says."""
    cdef char *text = PyOS_double_to_string(value, b"r", 0, Py_DTSF_ADD_DOT_0, NULL)
    try:
        put_plain(out, text)
    finally:
        PyMem_Free(text)
    return 0


cdef inline bint is_escaped(unsigned char byte) noexcept:
    return byte < 0x20 or byte == 0x22 or byte == 0x5C


cdef inline bint are_plain(const char *text) noexcept:
    """Return whether none of eight bytes is escaped; False as well where one of them may be."""
    cdef unsigned long long word
    cdef unsigned long long quotes
    cdef unsigned long long slashes
    memcpy(&word, text, 8)
    quotes = word ^ <unsigned long long> 0x2222222222222222
    slashes = word ^ <unsigned long long> 0x5C5C5C5C5C5C5C5C
    return not (
        (
            (word - <unsigned long long> 0x2020202020202020) & ~word
            | (quotes - <unsigned long long> 0x0101010101010101) & ~quotes
            | (slashes - <unsigned long long> 0x0101010101010101) & ~slashes
        )
        & <unsigned long long> 0x8080808080808080
    )


cdef int put_escaped(Buffer out, unsigned char byte) except -1:
    cdef char[6] text
    memcpy(text, b"\\u00", 4)
    text[1] = 0
    if byte == 0x22 or byte == 0x5C:
        text[1] = <char> byte
    elif byte == 0x08:
        text[1] = b"b"
    elif byte == 0x09:
        text[1] = b"t"
    elif byte == 0x0A:
        text[1] = b"n"
    elif byte == 0x0C:
        text[1] = b"f"
    elif byte == 0x0D:
        text[1] = b"r"
    if text[1]:
        return put(out, text, 2)
    text[1] = b"u"
    text[4] = HEX[byte >> 4]
    text[5] = HEX[byte & 15]
    return put(out, text, 6)


cdef int put_text(Buffer out, object text) except -1:
    """Add a JSON string. Raises UnicodeEncodeError for text that is not Unicode."""
    cdef Py_ssize_t size
    cdef const char *utf8 = PyUnicode_AsUTF8AndSize(text, &size)
    return put_run(out, utf8, size)


cdef int put_utf8(Buffer out, const char *text, Py_ssize_t size) except -1:
    """Add a JSON string of bytes that somebody sent: what is not UTF-8 has U+FFFD in its places."""
    if is_ascii(text, size):
        return put_run(out, text, size)
    return put_text(out, PyUnicode_DecodeUTF8(text, size, b"replace"))


cdef bint is_ascii(const char *text, Py_ssize_t size) noexcept:
    cdef unsigned long long word
    cdef Py_ssize_t at = 0
    while size - at >= 8:
        memcpy(&word, text + at, 8)
        if word & <unsigned long long> 0x8080808080808080:
            return False
        at += 8
    while at < size:
        if text[at] & 0x80:
            return False
        at += 1
    return True


cdef int put_run(Buffer out, const char *utf8, Py_ssize_t size) except -1:
    cdef const char *run = utf8
    cdef const char *end = run + size
    cdef const char *at = run
    if size > out.room - out.size - 2:
        out.grow(size + 2)
    put(out, b'"', 1)
    while at < end:
        if end - at >= 8 and are_plain(at):
            at += 8
            continue
        if is_escaped(<unsigned char> at[0]):
            put(out, run, at - run)
            put_escaped(out, <unsigned char> at[0])
            run = at + 1
        at += 1
    put(out, run, end - run)
    return put(out, b'"', 1)


cdef int put_number(Buffer out, object value) except -1:
    """Add the digits of an integer of any size."""
    cdef int overflow = 1
    cdef long long number = 0
    if type(value) is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if not overflow:
        return put_decimal(out, number)
    return put_bytes(out, f"{value}".encode())
