# Attributes and their values, as JSON.


cdef int put_pairs(
    Buffer out, Slice message, unsigned long long number, const char *label, bytes wanted, Slice *found
) except -1:
    """Add attributes, if there are any: the fields with a number.

    found: becomes the text of the first one with the key `wanted`.
    """
    cdef Slice rest = message
    cdef Field field
    cdef bint several = False
    while next_field(&rest, &field):
        if field.number != number:
            continue
        if several:
            put(out, b",", 1)
        else:
            put_plain(out, label)
        several = True
        put_pair(out, message_in(&field), 0, wanted, found)
    return put(out, b"]", 1) if several else 0


cdef int put_pair(Buffer out, Slice pair, int depth, bytes wanted, Slice *found) except -1:
    cdef Slice rest = pair
    cdef Slice key = Slice(NULL, 0)
    cdef Slice value = Slice(NULL, 0)
    cdef Field field
    while next_field(&rest, &field):
        if field.number == 1:
            key = message_in(&field)
        elif field.number == 2:
            value = message_in(&field)
    put_plain(out, b'{"key":')
    put_utf8(out, key.data, key.size)
    put_plain(out, b',"value":')
    if (
        found != NULL and found.data == NULL and key.size == PyBytes_GET_SIZE(wanted)
        and memcmp(key.data, PyBytes_AS_STRING(wanted), key.size) == 0
    ):
        found[0] = text_in(value)
    put_value(out, value, depth)
    return put(out, b"}", 1)


cdef Slice text_in(Slice value) except *:
    """Return the text of a value; one without data where it is another."""
    cdef Slice rest = value
    cdef Slice text = Slice(NULL, 0)
    cdef Field field
    while next_field(&rest, &field):
        text = message_in(&field) if field.number == 1 else Slice(NULL, 0)
    return text


cdef int put_value(Buffer out, Slice value, int depth) except -1:
    """Add a value: of several fields the last one counts, as they exclude each other."""
    cdef Slice rest = value
    cdef Field field
    cdef Field last
    cdef bint is_set = False
    if depth > MAX_DEPTH:
        raise ValueError("values in values, too deep")
    while next_field(&rest, &field):
        if 1 <= field.number <= 7:
            last, is_set = field, True
    if not is_set:
        return put(out, b"{}", 2)
    if last.number == 1:
        put_plain(out, b'{"stringValue":')
        message_in(&last)
        put_utf8(out, last.data.data, last.data.size)
        return put(out, b"}", 1)
    if last.number == 2:
        return put_plain(
            out, b'{"boolValue":true}' if number_in(&last, VARINT) else b'{"boolValue":false}'
        )
    if last.number == 3:
        put_plain(out, b'{"intValue":"')
        put_decimal(out, <long long> number_in(&last, VARINT))
        return put_plain(out, b'"}')
    return put_rare_value(out, &last, depth)


cdef int put_rare_value(Buffer out, Field *field, int depth) except -1:
    if field.number == 4:
        put_plain(out, b'{"doubleValue":')
        put_any_double(out, number_in(field, FIXED64))
        return put(out, b"}", 1)
    if field.number == 7:
        put_plain(out, b'{"bytesValue":"')
        encoded = b2a_base64(copied(message_in(field)), newline=False)
        put(out, PyBytes_AS_STRING(encoded), PyBytes_GET_SIZE(encoded))
        return put_plain(out, b'"}')
    put_plain(out, b'{"arrayValue":{"values":[' if field.number == 5 else b'{"kvlistValue":{"values":[')
    put_several(out, message_in(field), depth + 1, field.number == 6)
    return put_plain(out, b"]}}")


cdef int put_several(Buffer out, Slice message, int depth, bint pairs) except -1:
    cdef Slice rest = message
    cdef Field field
    cdef bint several = False
    while next_field(&rest, &field):
        if field.number != 1:
            continue
        if several:
            put(out, b",", 1)
        several = True
        if pairs:
            put_pair(out, message_in(&field), depth, b"", NULL)
        else:
            put_value(out, message_in(&field), depth)
    return 0


cdef int put_any_double(Buffer out, unsigned long long bits) except -1:
    cdef double value
    memcpy(&value, &bits, 8)
    if isfinite(value):
        return put_double(out, value)
    if value != value:
        return put_plain(out, b'"NaN"')
    return put_plain(out, b'"Infinity"' if value > 0 else b'"-Infinity"')
