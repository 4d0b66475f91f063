r"""Headers as they are written: lines, each ended by `\r\n`.

What an answer tells of its limit, its trace and its time is written as lines at once, by who knows it; our
own server takes them as they are. Pairs are made of them only for another server.
"""

from __future__ import annotations

from collections.abc import Iterable

Pairs = list[tuple[bytes, bytes]]


def lines_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write pairs of names and values. Raises ValueError for a line break in one."""
    lines = [b"%b: %b" % pair for pair in pairs]
    if any(b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise ValueError("a header has a line break in it")
    return b"".join([line + b"\r\n" for line in lines])


def pairs_of(lines: bytes) -> Pairs:
    """Read lines back."""
    pairs = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        pairs.append((name, value))
    return pairs
