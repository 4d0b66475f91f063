"""Feedback on traces: what a person, a judge or a check says of one, when it is over.

Kept beside the trace, and exported, as the event `gen_ai.evaluation.result`.
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/#event-gen_aievaluationresult
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ._json import to_json_text

__all__ = ["EVENT_NAME", "Feedback", "of_line", "to_line"]

EVENT_NAME = "gen_ai.evaluation.result"

_NAME, _LABEL = "gen_ai.evaluation.name", "gen_ai.evaluation.score.label"
_SCORE, _EXPLANATION = "gen_ai.evaluation.score.value", "gen_ai.evaluation.explanation"
_VALUE, _KIND = "tollway.feedback.value", "tollway.feedback.kind"
_SOURCE, _SOURCE_TYPE, _METADATA = (
    "tollway.feedback.source",
    "tollway.feedback.source_type",
    "tollway.feedback.metadata",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What was said of a trace, or of one of its spans."""

    trace_id: str
    """32 hex digits."""
    name: str
    value: Any
    """A number, a truth, a text, or anything that JSON has."""
    explanation: str | None = None
    source: str | None = None
    """Who said it: a user, a model, the name of a check."""
    source_type: str = "human"
    """`human`, `llm_judge` or `code`."""
    kind: str = "feedback"
    """`feedback`; `expectation` is what would have been right; `tag` is a word for finding it again."""
    span_id: str | None = None
    """16 hex digits."""
    metadata: Mapping[str, Any] | None = None
    time_ns: int = 0
    """When, in Unix nanoseconds."""

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the event."""
        found: dict[str, Any] = {_NAME: self.name}
        if isinstance(self.value, (bool, int, float)):
            found[_SCORE] = float(self.value)
        if isinstance(self.value, (bool, str)):
            found[_LABEL] = self.value if isinstance(self.value, str) else str(self.value).lower()
        if self.explanation is not None:
            found[_EXPLANATION] = self.explanation
        found |= {_VALUE: to_json_text(self.value), _KIND: self.kind, _SOURCE_TYPE: self.source_type}
        if self.source is not None:
            found[_SOURCE] = self.source
        if self.metadata:
            found[_METADATA] = to_json_text(self.metadata)
        return found


def new_feedback(trace_id: str, name: str, value: Any, **more: Any) -> Feedback:
    """Return feedback of now. Raises ValueError for a trace or span id that is none."""
    span_id = more.get("span_id")
    for what, given, digits in (("trace_id", trace_id, 32), ("span_id", span_id or "0" * 16, 16)):
        if not is_hex(given, digits):
            raise ValueError(f"{what} is {given!r}: it has {digits} hex digits")
    more.setdefault("time_ns", time.time_ns())
    return Feedback(trace_id=trace_id.lower(), name=str(name), value=value, **more)


def is_hex(text: object, digits: int) -> bool:
    """Return whether a text has so many hex digits."""
    return isinstance(text, str) and len(text) == digits and set(text.lower()) <= set("0123456789abcdef")


def to_line(feedback: Feedback) -> bytes:
    """Return one line: OTLP `LogsData`, and the trace's id before it."""
    return orjson.dumps({"traceId": feedback.trace_id, **logs_data([feedback])}) + b"\n"


def logs_data(several: list[Feedback], resource: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return OTLP `LogsData`; resource: its attributes as OTLP has them. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding"""
    records = [
        {
            "timeUnixNano": str(one.time_ns),
            "observedTimeUnixNano": str(one.time_ns),
            "eventName": EVENT_NAME,
            "traceId": one.trace_id,
            **({"spanId": one.span_id} if one.span_id else {}),
            "attributes": _pairs(one.attributes()),
        }
        for one in several
    ]
    scope = {"scope": {"name": "tollway.tracing"}, "logRecords": records}
    return {"resourceLogs": [{"resource": {"attributes": [*resource]}, "scopeLogs": [scope]}]}


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)},
        }
        for key, value in attributes.items()
    ]


def of_line(line: bytes) -> Feedback:
    """Read a line of `to_line`. Raises ValueError for any other."""
    try:
        (resource,) = orjson.loads(line)["resourceLogs"]
        (record,) = resource["scopeLogs"][0]["logRecords"]
        found = {pair["key"]: next(iter(pair["value"].values())) for pair in record["attributes"]}
        metadata = found.get(_METADATA)
        return Feedback(
            trace_id=record["traceId"],
            span_id=record.get("spanId"),
            name=found[_NAME],
            value=orjson.loads(found[_VALUE]),
            explanation=found.get(_EXPLANATION),
            source=found.get(_SOURCE),
            source_type=found[_SOURCE_TYPE],
            kind=found[_KIND],
            metadata=None if metadata is None else orjson.loads(metadata),
            time_ns=int(record["timeUnixNano"]),
        )
    except (KeyError, IndexError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"not a line of feedback: {error!r}") from None
