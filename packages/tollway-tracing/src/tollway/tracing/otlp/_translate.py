"""Spans with the attributes that their receiver reads: a dialect's, made of ours at export."""

from collections.abc import Mapping
from typing import Any

import orjson

from tollway.tracing.engine import Span
from tollway.tracing.records import Record
from tollway.tracing.semconv.dialects import Dialect

from ._decode import attributes_of
from ._objects import key_values, span_object


def object_of(span: Any, dialect: Dialect | None = None) -> dict[str, Any]:
    """Return the OTLP `Span` of any span, with a dialect's attributes."""
    if type(span) is Record:
        item: dict[str, Any] = orjson.loads(span.json)
        attributes = {} if dialect is None else attributes_of(item)
    else:
        item = span_object(span)
        attributes = {} if dialect is None else span.attributes or {}
    if dialect is not None:
        said = dialect(attributes)
        if said is not attributes and said:
            item["attributes"] = key_values(said)
    return item


def stays(span: Any, dialect: Dialect) -> bool:
    """Return whether a dialect has nothing to add to a span of ours."""
    if type(span) is not Span:
        return False
    items: Mapping[str, Any] = span._own_attributes
    return dialect(items) is items
