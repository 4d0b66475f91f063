# The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding/), as far as OTLP has it.


cdef inline int put_byte(Buffer out, unsigned char byte) except -1:
    if out.room - out.size < 1:
        out.grow(1)
    out.data[out.size] = <char> byte
    out.size += 1
    return 0


cdef inline int varint_size(unsigned long long value) noexcept:
    cdef int size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size


cdef inline char *varint_at(char *place, unsigned long long value) noexcept:
    """Write a varint; return what comes after it."""
    while value >= 0x80:
        place[0] = <char> (value & 0x7F | 0x80)
        value >>= 7
        place += 1
    place[0] = <char> value
    return place + 1


cdef inline int put_varint(Buffer out, unsigned char tag, unsigned long long value) except -1:
    if out.room - out.size < 11:
        out.grow(11)
    out.data[out.size] = <char> tag
    out.size = varint_at(out.data + out.size + 1, value) - out.data
    return 0


cdef inline char *word_at(char *place, unsigned long long value, int size, bint big) noexcept:
    """Write an integer of a fixed size; return what comes after it."""
    cdef int byte
    for byte in range(size):
        place[byte] = <char> (value >> (8 * (size - 1 - byte if big else byte)))
    return place + size


cdef inline int put_fixed64(Buffer out, unsigned char tag, unsigned long long value) except -1:
    if out.room - out.size < 9:
        out.grow(9)
    out.data[out.size] = <char> tag
    word_at(out.data + out.size + 1, value, 8, False)
    out.size += 9
    return 0


cdef inline int put_id(Buffer out, unsigned char tag, unsigned long long value) except -1:
    """Add the eight bytes of a span's id."""
    if out.room - out.size < 10:
        out.grow(10)
    out.data[out.size] = <char> tag
    out.data[out.size + 1] = 8
    word_at(out.data + out.size + 2, value, 8, True)
    out.size += 10
    return 0


cdef inline int put_string(Buffer out, unsigned char tag, const char *text, Py_ssize_t size) except -1:
    if out.room - out.size < size + 11:
        out.grow(size + 11)
    out.data[out.size] = <char> tag
    cdef char *place = varint_at(out.data + out.size + 1, <unsigned long long> size)
    memcpy(place, text, size)
    out.size = place + size - out.data
    return 0


cdef inline Py_ssize_t open_message(Buffer out, unsigned char tag) except -1:
    """Begin a message inside the message; return where it begins. Most are below 128 bytes."""
    put_byte(out, tag)
    put_byte(out, 0)
    return out.size


cdef inline int close_message(Buffer out, Py_ssize_t first) except -1:
    """End what `open_message` began: its size goes before it."""
    cdef Py_ssize_t size = out.size - first
    cdef int more = varint_size(<unsigned long long> size) - 1
    if more:
        if out.room - out.size < more:
            out.grow(more)
        memmove(out.data + first + more, out.data + first, size)
        out.size += more
    varint_at(out.data + first - 1, <unsigned long long> size)
    return 0


cdef int put_pair(Buffer out, unsigned char tag, str key, object value) except -1:
    """Add a `KeyValue`. All sizes are known before the first byte, but those of lists."""
    cdef Py_ssize_t key_size
    cdef Py_ssize_t size = 0
    cdef Py_ssize_t inner
    cdef Py_ssize_t whole
    cdef const char *text = NULL
    cdef const char *key_text = PyUnicode_AsUTF8AndSize(key, &key_size)
    cdef int overflow
    cdef long long number = 0
    cdef double real = 0
    cdef unsigned long long bits
    cdef char *place
    kind = type(value)
    if kind is str:
        text = PyUnicode_AsUTF8AndSize(value, &size)
        inner = 1 + varint_size(size) + size
    elif kind is int:
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow:
            raise _OddError
        inner = 1 + varint_size(<unsigned long long> number)
    elif kind is bool:
        inner = 2
    elif kind is float:
        real = value
        inner = 9
    elif kind is tuple:
        return put_list_pair(out, tag, key_text, key_size, value)
    else:
        raise _OddError
    whole = 2 + varint_size(key_size) + key_size + varint_size(inner) + inner
    if out.room - out.size < whole + 11:
        out.grow(whole + 11)
    place = out.data + out.size
    place[0] = <char> tag
    place = varint_at(place + 1, whole)
    place[0] = 0x0A
    place = varint_at(place + 1, key_size)
    memcpy(place, key_text, key_size)
    place += key_size
    place[0] = 0x12
    place = varint_at(place + 1, inner)
    if text != NULL:
        place[0] = 0x0A
        place = varint_at(place + 1, size)
        memcpy(place, text, size)
        place += size
    elif kind is int:
        place[0] = 0x18
        place = varint_at(place + 1, <unsigned long long> number)
    elif kind is bool:
        place[0] = 0x10
        place[1] = 1 if value else 0
        place += 2
    else:
        place[0] = 0x21
        memcpy(&bits, &real, 8)
        place = word_at(place + 1, bits, 8, False)
    out.size = place - out.data
    return 0


cdef int put_list_pair(
    Buffer out, unsigned char tag, const char *key, Py_ssize_t key_size, tuple values
) except -1:
    """Add a `KeyValue` whose value is a list of texts."""
    cdef Py_ssize_t size
    cdef const char *text
    cdef Py_ssize_t pair = open_message(out, tag)
    put_string(out, 0x0A, key, key_size)
    cdef Py_ssize_t any_value = open_message(out, 0x12)
    cdef Py_ssize_t array = open_message(out, 0x2A)
    cdef Py_ssize_t item
    for value in values:
        if type(value) is not str:
            raise _OddError
        text = PyUnicode_AsUTF8AndSize(value, &size)
        item = open_message(out, 0x0A)
        put_string(out, 0x0A, text, size)
        close_message(out, item)
    close_message(out, array)
    close_message(out, any_value)
    return close_message(out, pair)
