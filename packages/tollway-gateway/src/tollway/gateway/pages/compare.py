"""Two traces beside each other: spans matched by their paths, and the difference of their conversations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

from tollway.tracing.readers import SpanView, Trace
from tollway.tracing.readers.views import decoded

from .conversation import conversation_of

MAX_LINES = 2_000
"""Lines of each conversation that are compared."""

_SAME_MS = 0.1
_SAME_SHARE = 0.1
"""Less than this is no difference: of the longer one's time, and at all."""

Path = tuple[tuple[str, int], ...]
"""Names from the root down, each with its number among siblings of the same name."""


def pairs_of(a: Trace, b: Trace) -> list[dict[str, Any]]:
    """Return every span of both, matched by path, in the order of `b` with what is gone in its place."""
    left, right = _by_path(a), _by_path(b)
    return [_pair(path, left.get(path), right.get(path)) for path in _merged(list(left), list(right))]


def _by_path(trace: Trace) -> dict[Path, tuple[int, SpanView]]:
    found: dict[Path, tuple[int, SpanView]] = {}
    above: list[tuple[Path, Counter[str]]] = [((), Counter())]
    for index, (depth, span) in enumerate(trace.walk()):
        del above[depth + 1 :]
        parent, names = above[depth]
        path = (*parent, (span.name, names[span.name]))
        names[span.name] += 1
        above.append((path, Counter()))
        found[path] = index, span
    return found


def _merged(left: list[Path], right: list[Path]) -> list[Path]:
    """Return the paths of both: what only the left has comes after what it came after there."""
    after: dict[Path | None, list[Path]] = {}
    known, last = set(right), None
    for path in left:
        if path in known:
            last = path
        else:
            after.setdefault(last, []).append(path)
    merged = [*after.get(None, ())]
    for path in right:
        merged += [path, *after.get(path, ())]
    return merged


def _pair(path: Path, a: tuple[int, SpanView] | None, b: tuple[int, SpanView] | None) -> dict[str, Any]:
    delta_ms = (0.0 if b is None else b[1].duration_ms) - (0.0 if a is None else a[1].duration_ms)
    return {
        "a": None if a is None else a[0],
        "b": None if b is None else b[0],
        "path": [name for name, _ in path],
        "change": _change(a, b, delta_ms),
        "delta_ms": delta_ms,
    }


def _change(a: tuple[int, SpanView] | None, b: tuple[int, SpanView] | None, delta_ms: float) -> str:
    if a is None or b is None:
        return "added" if a is None else "gone"
    longer_ms = max(a[1].duration_ms, b[1].duration_ms)
    if abs(delta_ms) <= max(_SAME_MS, longer_ms * _SAME_SHARE):
        return "same"
    return "slower" if delta_ms > 0 else "faster"


def text_diff(a: Trace, b: Trace) -> list[dict[str, str]]:
    """Return the lines of both conversations, each with ` `, `-` (only in `a`) or `+` (only in `b`)."""
    left, right = _lines(a), _lines(b)
    lines: list[tuple[str, str]] = []
    for change, i, j, k, m in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if change == "equal":
            lines += [(" ", line) for line in left[i:j]]
        else:
            lines += [("-", line) for line in left[i:j]]
            lines += [("+", line) for line in right[k:m]]
    return [{"op": op, "line": line} for op, line in lines]


def _lines(trace: Trace) -> list[str]:
    """Return what was said in a trace: by the calls whose children said nothing, so that it is there once."""
    found: list[str] = []
    for _, span in trace.walk():
        conversation = conversation_of(span)
        if conversation is None or any(conversation_of(child) for child in trace.children(span)):
            continue
        for message in conversation["messages"]:
            found += _said(message)
            if len(found) >= MAX_LINES:
                return found[:MAX_LINES]
    return found


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    for part in message["parts"]:
        if part["type"] in ("text", "reasoning"):
            said = part["text"]
        else:
            said = " ".join(str(decoded(value)) for value in part.values() if value is not None)
        for line in said.splitlines():
            yield f"{message['role']}: {line}"
