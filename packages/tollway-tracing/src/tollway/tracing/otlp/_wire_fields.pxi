# The wire format (https://protobuf.dev/programming-guides/encoding/): fields of messages as slices of the request.


cdef inline Slice whole(bytes body):
    return Slice(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))


cdef inline int next_varint(Slice *rest, unsigned long long *value) except -1:
    cdef int shift = 0
    cdef unsigned long long byte
    value[0] = 0
    while rest.size > 0:
        byte = <unsigned char> rest.data[0]
        rest.data += 1
        rest.size -= 1
        value[0] |= (byte & 0x7F) << shift
        if byte < 0x80:
            return 0
        shift += 7
        if shift > 63:
            break
    raise ValueError("no varint")


cdef inline unsigned long long word_of(const char *data) noexcept:
    """Return eight bytes, the highest first, as ids have them."""
    cdef unsigned long long value = 0
    cdef int place
    for place in range(8):
        value = value << 8 | <unsigned char> data[place]
    return value


cdef inline unsigned long long fixed_of(const char *data, int size) noexcept:
    """Return four or eight bytes, the lowest first."""
    cdef unsigned long long value = 0
    cdef int place
    for place in range(size - 1, -1, -1):
        value = value << 8 | <unsigned char> data[place]
    return value


cdef int next_field(Slice *rest, Field *field) except -1:
    """Read the next field; return whether there was one. Raises ValueError for what is no message."""
    cdef unsigned long long tag
    cdef unsigned long long size
    if rest.size == 0:
        return 0
    next_varint(rest, &tag)
    field.number = tag >> 3
    field.wire = tag & 7
    if field.wire == VARINT:
        next_varint(rest, &field.value)
        return 1
    if field.wire == BYTES:
        next_varint(rest, &size)
    elif field.wire == FIXED64:
        size = 8
    elif field.wire == FIXED32:
        size = 4
    else:
        raise ValueError("no wire type of OTLP")
    if size > <unsigned long long> rest.size:
        raise ValueError("cut")
    field.data = Slice(rest.data, <Py_ssize_t> size)
    if field.wire != BYTES:
        field.value = fixed_of(rest.data, <int> size)
    rest.data += size
    rest.size -= <Py_ssize_t> size
    return 1


cdef inline Slice message_in(Field *field) except *:
    """Return a field's text, bytes or message. Raises ValueError where it is of another type."""
    if field.wire != BYTES:
        raise ValueError("not the type of the field")
    return field.data


cdef inline unsigned long long number_in(Field *field, int wire) except? 0xDEAD:
    """Return a field's number. Raises ValueError where it is of another type."""
    if field.wire != wire:
        raise ValueError("not the type of the field")
    return field.value


cdef object copied(Slice part):
    return PyBytes_FromStringAndSize(part.data, part.size)


cdef inline object text_or_none(Slice part):
    return None if part.data == NULL else PyUnicode_DecodeUTF8(part.data, part.size, b"replace")


cdef inline bint is_zero(Slice part) noexcept:
    cdef Py_ssize_t place
    for place in range(part.size):
        if part.data[place]:
            return False
    return True
