"""MLflow's words for spans and traces, as far as programs that trace name them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opentelemetry.trace import StatusCode

from ._views import Assessment, Span, Trace, TraceData, TraceInfo

__all__ = [
    "Assessment",
    "AssessmentSource",
    "AssessmentSourceType",
    "Document",
    "Span",
    "SpanEvent",
    "SpanStatus",
    "SpanStatusCode",
    "SpanType",
    "Trace",
    "TraceData",
    "TraceInfo",
]


class SpanType:
    """What sort of work a span is; any other text will do as well."""

    LLM = "LLM"
    CHAIN = "CHAIN"
    AGENT = "AGENT"
    TOOL = "TOOL"
    CHAT_MODEL = "CHAT_MODEL"
    RETRIEVER = "RETRIEVER"
    PARSER = "PARSER"
    EMBEDDING = "EMBEDDING"
    RERANKER = "RERANKER"
    MEMORY = "MEMORY"
    WORKFLOW = "WORKFLOW"
    TASK = "TASK"
    GUARDRAIL = "GUARDRAIL"
    EVALUATOR = "EVALUATOR"
    UNKNOWN = "UNKNOWN"


class SpanStatusCode(StrEnum):
    """How a span ended."""

    UNSET = "UNSET"
    OK = "OK"
    ERROR = "ERROR"

    def to_otel(self) -> StatusCode:
        """Return OpenTelemetry's code."""
        return StatusCode[self.value]


@dataclass(frozen=True, slots=True)
class SpanStatus:
    """A status and, of an error, why."""

    status_code: SpanStatusCode | str
    description: str = ""


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """A moment inside a span; `timestamp` in Unix nanoseconds."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    timestamp: int = field(default_factory=time.time_ns)

    @classmethod
    def from_exception(cls, exception: BaseException) -> SpanEvent:
        """Return the event that records an exception."""
        kind = type(exception)
        return cls("exception", {"exception.type": kind.__name__, "exception.message": str(exception)})


class AssessmentSourceType:
    """Who assesses."""

    HUMAN = "HUMAN"
    LLM_JUDGE = "LLM_JUDGE"
    CODE = "CODE"


@dataclass(frozen=True, slots=True)
class AssessmentSource:
    """Who assessed, by name."""

    source_type: str = AssessmentSourceType.HUMAN
    source_id: str = "default"


@dataclass(frozen=True, slots=True)
class Document:
    """What a retriever returns."""

    page_content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
