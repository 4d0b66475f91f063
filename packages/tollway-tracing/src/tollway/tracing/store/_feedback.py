"""Feedback beside the traces of a store: `<YYYY-MM-DD>/feedback.jsonl`, in the folder of the trace.

So it goes when its trace goes. Each line is OTLP `LogsData`, appended in one write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tollway.tracing.feedback import Feedback, of_line, to_line
from tollway.tracing.summary import day_of

from ._files import whole_lines
from ._layout import Layout

_NAME = "feedback.jsonl"


class FeedbackFiles:
    """What was said of the traces of a store. day_with: returns the first day that has a trace."""

    def __init__(self, layout: Layout, day_with: Callable[[str], str | None]) -> None:
        self._layout = layout
        self._day_with = day_with

    def add(self, feedback: Feedback) -> None:
        """Keep it: in the folder of its trace; of the day while that is not written. Raises OSError."""
        day = self._day_with(feedback.trace_id) or day_of(feedback.time_ns)
        path = self._path(day)
        self._layout.files.make_folder(path)
        self._layout.files.append(path, to_line(feedback))

    def of(self, trace_id: str) -> tuple[Feedback, ...]:
        """Return all that was said of a trace, the oldest first."""
        first = self._day_with(trace_id) or ""
        wanted = trace_id.encode()
        found = [one for line in self._lines(first) if wanted in line and (one := _read(line)) is not None]
        return tuple(sorted((one for one in found if one.trace_id == trace_id), key=lambda one: one.time_ns))

    def traces_with(self, wanted: Mapping[str, Any]) -> set[str]:
        """Return the ids of traces whose newest feedback of each name has the value; None is any value."""
        newest: dict[tuple[str, str], Feedback] = {}
        for one in filter(None, map(_read, self._lines())):
            known = newest.get((one.trace_id, one.name))
            if one.name in wanted and (known is None or known.time_ns <= one.time_ns):
                newest[one.trace_id, one.name] = one
        found = [
            {trace for (trace, of), one in newest.items() if of == name and value in (None, one.value)}
            for name, value in wanted.items()
        ]
        return set.intersection(*found) if found else set()

    def _lines(self, first_day: str = "") -> Iterator[bytes]:
        for day in self._layout.days():
            if day >= first_day:
                yield from whole_lines(self._layout.files.read(self._path(day)))[0]

    def _path(self, day: str) -> str:
        return f"{self._layout.root}/{day}/{_NAME}"


def _read(line: bytes) -> Feedback | None:
    try:
        return of_line(line)
    except ValueError:
        return None
