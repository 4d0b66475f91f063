# Lines, summaries and rows of usual traces: `_lines.py`, `_summary.py` and `_index.py`, compiled.


cdef struct Facts:
    long long first_ns
    long long end_ns
    long long root_ns
    int distance
    bint failed


cdef int distance_of(object parent) except -1:
    """Return 0 for a root, 1 for a local root, `FAR` for any other span."""
    if parent is None:
        return 0
    if type(parent) is not Span and isinstance(parent, SpanContext) and parent.is_remote:
        return 1
    return FAR


cdef object read_facts(list spans, Facts *facts):
    """Return the span that speaks for its trace. Raises where they are not all of one tracer of ours."""
    cdef long long started
    cdef long long ended
    cdef int distance
    root = tracer = None
    facts.first_ns = facts.end_ns = facts.root_ns = 0
    facts.distance = FAR + 1
    facts.failed = False
    for span in spans:
        if type(span) is not Span or (tracer is not None and span._tracer is not tracer):
            raise _OddError
        tracer = span._tracer
        started = span._start_time
        ended = span._end_time or 0
        if started < 0:
            raise _OddError
        if root is None or started < facts.first_ns:
            facts.first_ns = started
        facts.end_ns = max(facts.end_ns, ended)
        status = span._status
        if status is not UNSET and status.status_code is ERROR:
            facts.failed = True
        distance = distance_of(span._parent_span)
        if distance < facts.distance or (distance == facts.distance and started < facts.root_ns):
            root = span
            facts.root_ns = started
            facts.distance = distance
    if facts.distance != 0:
        raise _OddError
    return root


cdef object read_record_facts(list spans, Facts *facts):
    """Return the record that speaks for its trace. Raises where one is none, or the trace has no root yet."""
    cdef long long started
    cdef long long ended
    cdef int distance
    root = None
    facts.first_ns = facts.end_ns = facts.root_ns = 0
    facts.distance = FAR + 1
    facts.failed = False
    for span in spans:
        if type(span) is not Record:
            raise _OddError
        _, distance, started, ended, failed, _, _, _, _ = span
        if root is None or started < facts.first_ns:
            facts.first_ns = started
        facts.end_ns = max(facts.end_ns, ended)
        if failed:
            facts.failed = True
        if distance < facts.distance or (distance == facts.distance and started < facts.root_ns):
            root = span
            facts.root_ns = started
            facts.distance = distance
    if facts.distance != 0 or facts.end_ns - facts.first_ns > LONG_NS:
        raise _OddError
    return root


@cython.final
cdef class FastPath:
    """Encodes usual traces.

    max_line_bytes: of the spans of a line. origin_of: gives the `Origin` of a tracer. second_of: gives
    RFC 3339 of Unix seconds. repeated: gives what many summaries share, as the end of an object and as that of
    an array.
    """

    cdef Py_ssize_t max_line_bytes
    cdef object origin_of
    cdef object second_of
    cdef object repeated
    cdef Batch spare

    def __init__(self, Py_ssize_t max_line_bytes, *, origin_of, second_of, repeated):
        self.max_line_bytes = max_line_bytes
        self.origin_of = origin_of
        self.second_of = second_of
        self.repeated = repeated

    def encode(self, groups, unsigned long long made_ns):
        """Encode the first groups, as far as they are usual and of one day.

        groups: the spans of a trace each, in a list. made_ns: the rows' stamp. It stops at the first group that
        another way has to encode, and at a bound.
        """
        cdef Py_ssize_t size = 0
        # Taken out of its place: of two threads that encode at the same time each has a batch of its own.
        cdef Batch batch = self.spare
        self.spare = None
        if batch is None:
            batch = Batch(self.max_line_bytes, self.origin_of, self.second_of, self.repeated)
        found = []
        try:
            for spans in groups:
                if len(found) >= MAX_TRACES or size >= MAX_BATCH_BYTES:
                    break
                usual = batch.usual(spans, made_ns)
                if usual is None or (found and usual[1] != found[0][1]):
                    break
                size += len(usual[2])
                found.append(usual)
            return found
        finally:
            batch.pen.local = None
            batch.pen.out.empty()
            self.spare = batch


@cython.final
cdef class Batch:
    """Encodes trace after trace. It remembers what traces next to each other share."""

    cdef Py_ssize_t max_line_bytes
    cdef object origin_of
    cdef object second_of
    cdef object repeated

    cdef object tracer
    cdef bytes head
    cdef object service
    cdef long long second
    cdef bytes second_text
    cdef str day

    cdef Pen pen

    def __cinit__(self, Py_ssize_t max_line_bytes, origin_of, second_of, repeated):
        self.max_line_bytes = max_line_bytes
        self.origin_of = origin_of
        self.second_of = second_of
        self.repeated = repeated
        self.second = -1
        self.pen = Pen()

    cdef object usual(self, object spans, unsigned long long made_ns):
        """Encode a trace; None where another way has to."""
        try:
            return self.encoded(spans, made_ns)
        except Exception:  # the other way says what is wrong with it
            return None

    cdef tuple encoded(self, list spans, unsigned long long made_ns):
        cdef Facts facts
        cdef Buffer out = self.pen.out
        cdef Py_ssize_t line_size
        cdef bint came = type(spans[0]) is Record
        root = read_record_facts(spans, &facts) if came else read_facts(spans, &facts)
        if facts.end_ns // NS_PER_S // S_PER_DAY > facts.first_ns // NS_PER_S // S_PER_DAY:
            raise _OddError  # the day after may have lines of it
        self.turn_to_second(facts.first_ns)
        status_name = "ERROR" if facts.failed else "OK"
        if came:
            name, kept, service = root.name, root.kept_because, root.origin.service
        else:
            self.turn_to(root._tracer)
            name, kept, service = root._name, root._own_attributes.get(KEPT_BECAUSE), self.service
        as_object, as_array = self.repeated(
            status_name, name, None if kept is None else str(kept), len(spans), service, True
        )
        out.size = 0
        if came:
            self.put_line_of_records(spans, &facts, as_object)
        else:
            self.put_line(spans, &facts, as_object)
        line_size = out.size
        line = PyBytes_FromStringAndSize(out.data, line_size)
        trace_id = PyUnicode_DecodeASCII(out.data + TRACE_ID_AT, 32, NULL)
        by_status = self.row(line, facts.first_ns, &facts, made_ns, as_array)
        by_duration = self.row(line, duration_of(&facts), &facts, made_ns, as_array)
        octave = f"{octave_of(duration_of(&facts)):02d}"
        return trace_id, self.day, line, (status_name, by_status), (octave, by_duration)

    cdef int turn_to(self, object tracer) except -1:
        """Read what the traces of one tracer share."""
        if tracer is not self.tracer:
            self.tracer = None
            origin = self.origin_of(tracer)
            self.head = origin.head
            self.service = origin.service
            self.tracer = tracer
        return 0

    cdef int turn_to_second(self, long long first_ns) except -1:
        """Read what the traces of one second share."""
        cdef long long second = first_ns // NS_PER_S
        if second != self.second:
            self.second = -1
            text = self.second_of(second)
            self.second_text = text.encode()
            self.day = text[:10]
            self.second = second
        return 0

    cdef int put_line(self, list spans, Facts *facts, bytes summary) except -1:
        """Add the whole line. Raises where it would be longer than a line may be."""
        cdef Buffer out = self.pen.out
        cdef Py_ssize_t first
        put_plain(out, b'{"traceId":"')
        self.pen.turn_to(spans[0]._local)
        self.pen.put_trace_id()
        self.put_summary(facts, summary)
        put_bytes(out, self.head)
        first = out.size
        for span in spans:
            if out.size > first:
                put(out, b",", 1)
            self.pen.put_span(span)
            if out.size - first > self.max_line_bytes:
                raise _OddError
        return put_plain(out, b"]}]}]}\n")

    cdef int put_line_of_records(self, list spans, Facts *facts, bytes summary) except -1:
        """Add the whole line. Raises where it would be longer than a line may be."""
        cdef Buffer out = self.pen.out
        cdef Py_ssize_t first
        trace_id = spans[0].trace_id
        put_plain(out, b'{"traceId":"')
        put_hex(out, trace_id >> 64)
        put_hex(out, trace_id & 0xFFFF_FFFF_FFFF_FFFF)
        self.put_summary(facts, summary)
        first = out.size
        put_bytes(out, resource_spans([(span.origin, span.json) for span in spans]))
        if out.size - first > self.max_line_bytes:
            raise _OddError
        return put_plain(out, b"}\n")

    cdef int put_summary(self, Facts *facts, bytes summary) except -1:
        cdef Buffer out = self.pen.out
        put_plain(out, b'","summary":{"start":"')
        put_bytes(out, self.second_text)
        put(out, b".", 1)
        put_nanoseconds(out, <int> (facts.first_ns % NS_PER_S))
        put_plain(out, b'Z","duration_ms":')
        put_double(out, <double> duration_of(facts) / 1e6)
        put(out, b",", 1)
        put_bytes(out, summary)
        return put_plain(out, b',"resourceSpans":')

    cdef bytes row(
        self, bytes line, long long key, Facts *facts, unsigned long long made_ns, bytes summary
    ):
        """Return a trace's row with a key."""
        cdef Buffer out = self.pen.out
        cdef const char *text = line
        out.size = 0
        put_plain(out, b'["')
        put_hex(out, key)
        put_plain(out, b'","')
        put_hex(out, made_ns)
        put_plain(out, b'","')
        put(out, text + TRACE_ID_AT, 32)
        put_plain(out, b'",')
        put_decimal(out, facts.first_ns)
        put(out, b",", 1)
        put_decimal(out, duration_of(facts))
        put(out, b",", 1)
        put_bytes(out, summary)
        put(out, b"\n", 1)
        return PyBytes_FromStringAndSize(out.data, out.size)


cdef inline long long duration_of(Facts *facts) noexcept:
    return max(0, facts.end_ns - facts.first_ns)


cdef int octave_of(long long duration_ns) noexcept:
    cdef int octave = 0
    cdef long long rest = duration_ns // 1000
    while rest:
        octave += 1
        rest >>= 1
    return octave
