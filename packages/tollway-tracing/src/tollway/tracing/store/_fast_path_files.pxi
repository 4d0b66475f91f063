# Files that are there whole or not at all: `_files.py`, compiled.


cdef int write_files(const File *files, int count, const char *data, int mode, bint by_proc) noexcept nogil:
    """Make files, in order, up to the first that cannot be made; return how many that are.

    mode: theirs. by_proc: whether to name them by /proc at once.
    """
    cdef int folder = -1
    cdef int made = 0
    cdef const char *opened = NULL
    while made < count:
        if files[made].folder != opened:
            if folder >= 0:
                close(folder)
            folder = open_again(AT_FDCWD, files[made].folder, FOLDER, 0)
            opened = files[made].folder
        if folder < 0 or not write_file(folder, &files[made], data, mode, &by_proc):
            break
        made += 1
    if folder >= 0:
        close(folder)
    return made


cdef int open_again(int folder, const char *path, int flags, int mode) noexcept nogil:
    """Open, and again when a signal came in between."""
    cdef int file
    while True:
        file = openat(folder, path, flags, mode)
        if file >= 0 or errno != EINTR:
            return file


cdef bint write_file(
    int folder, const File *place, const char *data, int mode, bint *by_proc
) noexcept nogil:
    """Make a file, whole, as `_files.py` does; False where that is refused, or there is one."""
    cdef int file = open_again(folder, b".", UNNAMED, mode)
    cdef bint made
    if file < 0:
        return False
    made = (
        set_mode(file, mode)
        and write_all(file, data + place.first, place.size)
        and give_name(file, folder, place.name, by_proc)
    )
    return (close(file) == 0 or errno == EINTR) and made


cdef bint give_name(int file, int folder, const char *name, bint *by_proc) noexcept nogil:
    """Link what is whole to its place: by its descriptor, which few kernels let everybody do, or by /proc."""
    cdef char[PROC_BYTES] unnamed
    if not by_proc[0]:
        if linkat(file, b"", folder, name, BY_DESCRIPTOR) == 0:
            return True
        if errno == EEXIST:
            return False
        by_proc[0] = True
    name_of_descriptor(unnamed, file)
    return linkat(AT_FDCWD, unnamed, folder, name, AT_SYMLINK_FOLLOW) == 0


cdef bint write_all(int file, const char *data, Py_ssize_t size) noexcept nogil:
    """Write, and again after a short write."""
    cdef Py_ssize_t written
    while size > 0:
        written = write(file, data, size)
        if written <= 0:
            if written < 0 and errno == EINTR:
                continue
            return False
        data += written
        size -= written
    return True


cdef void name_of_descriptor(char *name, int file) noexcept nogil:
    """Write `/proc/self/fd/<file>`, with its zero, into `PROC_BYTES` bytes."""
    cdef char[10] digits
    cdef int first = 10
    while True:
        first -= 1
        digits[first] = <char> (48 + file % 10)
        file //= 10
        if file == 0:
            break
    memcpy(name, b"/proc/self/fd/", 14)
    memcpy(name + 14, digits + first, 10 - first)
    name[24 - first] = 0
