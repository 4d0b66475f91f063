# cython: language_level=3, auto_pickle=False
"""The usual trace, compiled: from the spans of our own engine to their file's bytes, and the file itself.

It stands in place of `_fast_path.py`, which writes no trace. What is written here is byte by byte what
`_lines.py` and `_index.py` write. They are the reference, and do whatever is not usual: odd values, limits,
links, several tracers, late spans, a disk that refuses. Tests hold both ways against each other. Nothing is
made in between: text goes from a span's slots into one buffer, and the buffer into files, while other threads
have the interpreter.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.errno cimport EEXIST, EINTR, errno
from libc.string cimport memcpy

from tollway.tracing.otlp._own cimport (
    Buffer, Pen, put, put_bytes, put_decimal, put_double, put_hex, put_nanoseconds, put_plain
)

from opentelemetry.trace import SpanContext as _SpanContext, StatusCode as _StatusCode

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.engine import Span as _Span
from tollway.tracing.engine._constants import KEPT_BECAUSE as _KEPT_BECAUSE, UNSET as _UNSET

cdef extern from *:
    """
    #include <fcntl.h>
    #include <sys/stat.h>
    #include <unistd.h>

    #if defined(__linux__) && defined(O_TMPFILE)
    #define TOLLWAY_UNNAMED (O_TMPFILE | O_WRONLY | O_CLOEXEC)
    #else
    #define TOLLWAY_UNNAMED 0
    #endif
    #ifdef O_PATH
    #define TOLLWAY_FOLDER (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    #else
    #define TOLLWAY_FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    #endif

    #ifdef AT_EMPTY_PATH
    #define TOLLWAY_BY_DESCRIPTOR AT_EMPTY_PATH
    #else
    #define TOLLWAY_BY_DESCRIPTOR -1  /* which is refused */
    #endif

    /* Take from the umask what it took: the mode is a setting. */
    static int tollway_set_mode(int file, int mode) {
        struct stat known;
        if (fstat(file, &known) < 0) return 0;
        return (int) (known.st_mode & 0777) == mode || fchmod(file, (mode_t) mode) == 0;
    }
    """
    const int UNNAMED "TOLLWAY_UNNAMED"
    const int FOLDER "TOLLWAY_FOLDER"
    const int AT_FDCWD
    const int AT_SYMLINK_FOLLOW
    const int BY_DESCRIPTOR "TOLLWAY_BY_DESCRIPTOR"
    int openat(int folder, const char *path, int flags, ...) nogil
    int linkat(int from_folder, const char *source, int to_folder, const char *target, int flags) nogil
    Py_ssize_t write(int file, const void *data, size_t size) nogil
    int close(int file) nogil
    bint set_mode "tollway_set_mode"(int file, int mode) noexcept nogil

cdef object Span = _Span
cdef object SpanContext = _SpanContext
cdef object ERROR = _StatusCode.ERROR
cdef object UNSET = _UNSET
cdef object KEPT_BECAUSE = _KEPT_BECAUSE

cdef enum:
    FAR = 2  # neither a root nor a local root
    NS_PER_S = 1_000_000_000

cdef enum:
    MAX_TRACES = 64  # of a batch
    MAX_BATCH_BYTES = 262_144  # beyond which no trace is added
    NAME_BYTES = 38  # 32 digits, `.json` and a zero
    PROC_BYTES = 32  # `/proc/self/fd/`, ten digits and a zero are 25
    TRACE_ID_AT = 12  # in a line

cdef str BY_STATUS = "by_status"
cdef str BY_DURATION = "by_duration"


class _OddError(Exception):
    """Something that this way does not write."""


include "_fast_path_traces.pxi"
include "_fast_path_files.pxi"

accept_proxies(Batch, FastPath)
