"""One look through a large JSON text: is it valid, where are its values, how much memory would they take.

What is compiled in its place does that; here every text is left to a parser.
"""

from __future__ import annotations

Place = tuple[int, int, int]
"""Where a value begins and ends; 2 for an array that has elements, which are all objects with a string
`role`, 1 for one whose elements are all objects, else 0.
"""


def scan(body: bytes) -> tuple[dict[str, Place], int, int] | None:
    """Return the places of an object's values by their keys, its nodes, and its characters' greatest width.

    Nodes are those of `json_size`, the width is in bytes of memory. None for what is not valid, not an
    object, or unusual: a number with an exponent, an escaped surrogate, a key twice or with an escape, much
    depth. What it accepts, orjson accepts.
    """
    return None
