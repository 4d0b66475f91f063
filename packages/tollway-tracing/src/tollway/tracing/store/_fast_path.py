"""Usual traces, many at once: what only the compiled module of this name does (`_fast_path.pyx`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.records import Origin, Record

Place = tuple[str, str, str]
"""Index, day and bucket."""


class FastPath:
    """Writes usual traces to the files of one store; here, where nothing is compiled, it leaves them all.

    root: the store's folder. max_line_bytes: of the spans of a line. mode: of new files. origin_of: gives the
    `Origin` of a tracer. second_of: gives RFC 3339 of
    Unix seconds. repeated: gives what many summaries share, as the end of an object and as that of an array.
    by_proc: do as where files without a name are not named by their descriptor.
    """

    def __init__(
        self,
        root: bytes,
        max_line_bytes: int,
        mode: int,
        *,
        origin_of: Callable[[Any], Origin],
        second_of: Callable[[int], str],
        repeated: Callable[..., tuple[bytes, bytes]],
        by_proc: bool = False,
    ) -> None:
        """Take what the compiled one needs."""

    def write(
        self, groups: Iterable[Sequence[ReadableSpan | Record]], made_ns: int
    ) -> tuple[int, dict[Place, bytes]]:
        """Write the first groups, as far as they are usual; return how many, and their rows by place."""
        return 0, {}


accept_proxies(FastPath)
