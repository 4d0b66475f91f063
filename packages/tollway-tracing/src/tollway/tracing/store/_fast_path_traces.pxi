# Lines, summaries and rows of usual traces: `_lines.py`, `_summary.py` and `_index.py`, compiled.


cdef struct Facts:
    long long first_ns
    long long end_ns
    long long root_ns
    int distance
    bint failed


cdef struct File:
    const char *folder
    char[NAME_BYTES] name
    Py_ssize_t first
    Py_ssize_t size


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


@cython.final
cdef class Batch:
    """Traces that are encoded, and not yet written. It remembers what traces next to each other share."""

    cdef bytes root
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
    cdef bytes day_folder

    cdef Pen pen
    cdef Buffer rows
    cdef int count
    cdef File[MAX_TRACES] files
    cdef Py_ssize_t[2 * MAX_TRACES + 1] row_ends
    cdef list places
    cdef list folders

    def __cinit__(self, bytes root, Py_ssize_t max_line_bytes, origin_of, second_of, repeated):
        self.root = root
        self.max_line_bytes = max_line_bytes
        self.origin_of = origin_of
        self.second_of = second_of
        self.repeated = repeated
        self.second = -1
        self.pen = Pen()
        self.rows = Buffer()
        self.clear()

    cdef int clear(self) except -1:
        self.pen.local = None
        self.pen.out.empty()
        self.rows.empty()
        self.count = 0
        self.row_ends[0] = 0
        self.places = []
        self.folders = []
        return 0

    cdef bint has_room(self) noexcept:
        return self.count < MAX_TRACES and self.pen.out.size < MAX_BATCH_BYTES

    cdef bint add(self, object spans, unsigned long long made_ns) except -1:
        """Encode a trace, where there is room; False, and nothing of it, where another way has to."""
        cdef Py_ssize_t first = self.pen.out.size
        try:
            self.encode(spans, made_ns)
        except Exception:  # the other way says what is wrong with it
            self.pen.out.size = first
            self.rows.size = self.row_ends[2 * self.count]
            return False
        self.count += 1
        return True

    cdef int encode(self, list spans, unsigned long long made_ns) except -1:
        cdef Facts facts
        cdef Buffer out = self.pen.out
        cdef File *file = &self.files[self.count]
        root = read_facts(spans, &facts)
        self.turn_to(root._tracer, facts.first_ns)
        kept = root._own_attributes.get(KEPT_BECAUSE)
        status_name = "ERROR" if facts.failed else "OK"
        as_object, as_array = self.repeated(
            status_name, root._name, None if kept is None else str(kept), len(spans), self.service, True
        )
        file.first = out.size
        self.put_line(spans, &facts, as_object)
        file.size = out.size - file.first
        memcpy(file.name, out.data + file.first + TRACE_ID_AT, 32)
        memcpy(file.name + 32, b".json\0", 6)
        self.put_rows(file.name, &facts, made_ns, as_array)
        self.folders.append(self.day_folder)  # which keeps the next pointer good
        file.folder = PyBytes_AS_STRING(self.day_folder)
        self.places += (
            (BY_STATUS, self.day, status_name),
            (BY_DURATION, self.day, f"{octave_of(duration_of(&facts)):02d}"),
        )
        return 0

    cdef int turn_to(self, object tracer, long long first_ns) except -1:
        """Read what the traces of one tracer share, and those of one second."""
        cdef long long second = first_ns // NS_PER_S
        if tracer is not self.tracer:
            self.tracer = None
            origin = self.origin_of(tracer)
            self.head = origin.head
            self.service = origin.service
            self.tracer = tracer
        if second != self.second:
            self.second = -1
            text = self.second_of(second)
            self.second_text = text.encode()
            if text[:10] != self.day:
                if b"\0" in self.root:
                    raise _OddError  # for C the path would end there
                self.day_folder = b"%b/%b" % (self.root, text[:10].encode())
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
        put_plain(out, b'","summary":{"start":"')
        put_bytes(out, self.second_text)
        put(out, b".", 1)
        put_nanoseconds(out, <int> (facts.first_ns % NS_PER_S))
        put_plain(out, b'Z","duration_ms":')
        put_double(out, <double> duration_of(facts) / 1e6)
        put(out, b",", 1)
        put_bytes(out, summary)
        put_plain(out, b',"resourceSpans":')
        put_bytes(out, self.head)
        first = out.size
        for span in spans:
            if out.size > first:
                put(out, b",", 1)
            self.pen.put_span(span)
            if out.size - first > self.max_line_bytes:
                raise _OddError
        return put_plain(out, b"]}]}]}\n")

    cdef int put_rows(
        self, const char *trace_id, Facts *facts, unsigned long long made_ns, bytes summary
    ) except -1:
        """Add a trace's row by status and its row by duration."""
        cdef Buffer out = self.rows
        cdef int row
        for row in range(2):
            put_plain(out, b'["')
            put_hex(out, duration_of(facts) if row else facts.first_ns)
            put_plain(out, b'","')
            put_hex(out, made_ns)
            put_plain(out, b'","')
            put(out, trace_id, 32)
            put_plain(out, b'",')
            put_decimal(out, facts.first_ns)
            put(out, b",", 1)
            put_decimal(out, duration_of(facts))
            put(out, b",", 1)
            put_bytes(out, summary)
            put(out, b"\n", 1)
            self.row_ends[2 * self.count + row + 1] = out.size
        return 0

    cdef dict rows_of(self, int count):
        """Return the rows of the first traces, by place."""
        cdef int row
        cdef Py_ssize_t first
        found = {}
        for row in range(2 * count):
            first = self.row_ends[row]
            line = PyBytes_FromStringAndSize(self.rows.data + first, self.row_ends[row + 1] - first)
            found.setdefault(self.places[row], []).append(line)
        return {place: b"".join(lines) for place, lines in found.items()}


@cython.final
cdef class FastPath:
    """Writes usual traces to the files of one store.

    root: the store's folder. max_line_bytes: of the spans of a line. mode: of new files. origin_of: gives the `Origin` of
    a tracer. second_of: gives RFC 3339 of Unix seconds.
    repeated: gives what many summaries share, as the end of an object and as that of an array.
    by_proc: do as where files without a name are not named by their descriptor.
    """

    cdef tuple settings
    cdef int mode
    cdef bint by_proc
    cdef Batch spare

    def __init__(
        self,
        bytes root not None,
        Py_ssize_t max_line_bytes,
        int mode,
        *,
        origin_of,
        second_of,
        repeated,
        bint by_proc=False,
    ):
        self.mode = mode
        self.by_proc = by_proc
        self.settings = (root, max_line_bytes, origin_of, second_of, repeated)

    def write(self, groups, unsigned long long made_ns):
        """Write the first groups, as far as they are usual; return how many, and their rows by place.

        groups: the spans of a trace each, in a list. made_ns: the rows' stamp. It stops at the first group
        that another way has to write, and at a bound: of what comes then nothing is written.
        """
        cdef int written = 0
        if not UNNAMED:  # this system has no files without a name
            return 0, {}
        # Taken out of its place: of two threads that write at the same time each has a batch of its own.
        cdef Batch batch = self.spare
        self.spare = None
        if batch is None:
            batch = Batch(*self.settings)
        try:
            for spans in groups:
                if not (batch.has_room() and batch.add(spans, made_ns)):
                    break
            if batch.count:
                with nogil:
                    written = write_files(batch.files, batch.count, batch.pen.out.data, self.mode, self.by_proc)
            return written, batch.rows_of(written)
        finally:
            batch.clear()
            self.spare = batch


cdef inline long long duration_of(Facts *facts) noexcept:
    return max(0, facts.end_ns - facts.first_ns)


cdef int octave_of(long long duration_ns) noexcept:
    cdef int octave = 0
    cdef long long rest = duration_ns // 1000
    while rest:
        octave += 1
        rest >>= 1
    return octave
