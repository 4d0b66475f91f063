"""Usual traces, many at once: what only the compiled module of this name does (`_fast_path.pyx`)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from tollway.tracing.compiled import accept_proxies
from tollway.tracing.records import Origin, Record

Usual = tuple[str, str, bytes, tuple[str, bytes], tuple[str, bytes]]
"""Trace id, day, line, and the row by status and by duration, each with its bucket."""


class FastPath:
    """Encodes usual traces; here, where nothing is compiled, it leaves them all.

    max_line_bytes: of the spans of a line. origin_of: gives the `Origin` of a tracer. second_of: gives
    RFC 3339 of Unix seconds. repeated: gives what many summaries share, as the end of an object and as that
    of an array.
    """

    def __init__(
        self,
        max_line_bytes: int,
        *,
        origin_of: Callable[[Any], Origin],
        second_of: Callable[[int], str],
        repeated: Callable[..., tuple[bytes, bytes]],
    ) -> None:
        """Take what the compiled one needs."""

    def encode(self, groups: Iterable[Sequence[ReadableSpan | Record]], made_ns: int) -> list[Usual]:
        """Encode the first groups, as far as they are usual and of one day. made_ns: the rows' stamp."""
        return []


accept_proxies(FastPath)
