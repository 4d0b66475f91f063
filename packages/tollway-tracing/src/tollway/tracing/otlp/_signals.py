"""Logs and metrics by OTLP: made as the objects of OTLP JSON, sent as that or as protocol buffers.

The numbers are those of `opentelemetry/proto/logs/v1/logs.proto` and `metrics/v1/metrics.proto`.
"""

import logging
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import orjson

from tollway.tracing._redaction import redacted_url

from ._http import Signal
from ._protobuf import (
    RESOURCE,
    SCOPE,
    Fields,
    attributes_field,
    bytes_id,
    double,
    each,
    fixed64,
    message,
    nested,
    raw,
    text,
    varint_field,
)
from ._sender import Sender

_logger = logging.getLogger(__name__)

_NOT_SERVED = frozenset({404, 405, 501})
"""Statuses of a receiver that has no place for this signal, as tools for traces alone have none."""


def _packed(number: int, values: Iterable[float | str], form: str, read: Callable[[Any], Any]) -> bytes:
    items = [read(value) for value in values]
    return raw(number, struct.pack(f"<{len(items)}{form}", *items))


def _counts(number: int, values: Iterable[str]) -> bytes:
    return _packed(number, values, "Q", int)


def _bounds(number: int, values: Iterable[float]) -> bytes:
    return _packed(number, values, "d", float)


_LOG_RECORD: Fields = {
    "timeUnixNano": (1, fixed64),
    "observedTimeUnixNano": (11, fixed64),
    "attributes": (6, attributes_field),
    "traceId": (9, bytes_id),
    "spanId": (10, bytes_id),
    "eventName": (12, text),
}
_TIMES: Fields = {"startTimeUnixNano": (2, fixed64), "timeUnixNano": (3, fixed64)}
_NUMBER: Fields = {**_TIMES, "asInt": (6, fixed64), "attributes": (7, attributes_field)}
_HISTOGRAM: Fields = {
    **_TIMES,
    "count": (4, fixed64),
    "sum": (5, double),
    "bucketCounts": (6, _counts),
    "explicitBounds": (7, _bounds),
    "attributes": (9, attributes_field),
}
_TEMPORALITY: Fields = {"aggregationTemporality": (2, varint_field)}
_METRIC: Fields = {
    "name": (1, text),
    "description": (2, text),
    "unit": (3, text),
    "sum": (
        7,
        nested({"dataPoints": (1, each(nested(_NUMBER))), "isMonotonic": (3, varint_field), **_TEMPORALITY}),
    ),
    "histogram": (9, nested({"dataPoints": (1, each(nested(_HISTOGRAM))), **_TEMPORALITY})),
}


def _data(resources: str, scopes: str, items: str, table: Fields) -> Fields:
    url: Fields = {"schemaUrl": (3, text)}
    scope: Fields = {"scope": (1, nested(SCOPE)), items: (2, each(nested(table))), **url}
    resource: Fields = {"resource": (1, nested(RESOURCE)), scopes: (2, each(nested(scope))), **url}
    return {resources: (1, each(nested(resource)))}


_TABLES: Mapping[Signal, Fields] = {
    "logs": _data("resourceLogs", "scopeLogs", "logRecords", _LOG_RECORD),
    "metrics": _data("resourceMetrics", "scopeMetrics", "metrics", _METRIC),
}


def signal_protobuf(signal: Signal, data: Mapping[str, Any]) -> bytes:
    """Return `LogsData` or `MetricsData` in protocol buffers, of the object of its JSON."""
    return message(_TABLES[signal], data)


class SignalExporter(Protocol):
    """Sends the logs or metrics of a program; not for use by several threads at once."""

    def send(self, data: Mapping[str, Any]) -> bool:
        """Send an object of OTLP JSON; return whether it was taken. Never raises."""

    def stop(self) -> None:
        """End a retry that waits."""

    def close(self) -> None:
        """Let go of the connection; only between two `send`."""


class HTTPSignal:
    """Sends one signal to one receiver over HTTP. One that has no place for the signal is not asked again."""

    def __init__(self, signal: Signal, sender: Sender, *, as_json: bool) -> None:
        self._signal = signal
        self._sender = sender
        self._as_json = as_json
        self._is_served = True
        self._failing = False

    def send(self, data: Mapping[str, Any]) -> bool:
        """See `SignalExporter`."""
        if not self._is_served or self._sender.is_stopped:
            return False
        problem = self._sender.send(
            orjson.dumps(data) if self._as_json else signal_protobuf(self._signal, data)
        )
        if problem is not None:
            self._note(problem)
        self._failing = problem is not None
        return problem is None

    def _note(self, problem: str) -> None:
        where = redacted_url(self._sender.url)
        if self._sender.status in _NOT_SERVED:
            self._is_served = False
            _logger.warning(
                "%s takes no %s (%s): none are sent there; OTEL_%s_EXPORTER=none says so beforehand",
                where,
                self._signal,
                problem,
                self._signal.upper(),
            )
        elif not self._failing:  # one line for an outage
            _logger.warning("cannot export %s to %s: %s", self._signal, where, problem)

    def stop(self) -> None:
        """See `SignalExporter`."""
        self._sender.stop()

    def close(self) -> None:
        """See `SignalExporter`."""
        self._sender.close()


class ConsoleSignal:
    """Prints a signal as OTLP JSON, an object a line."""

    def send(self, data: Mapping[str, Any]) -> bool:
        """See `SignalExporter`."""
        sys.stdout.write(orjson.dumps(data).decode() + "\n")
        sys.stdout.flush()
        return True

    def stop(self) -> None:
        """See `SignalExporter`."""

    def close(self) -> None:
        """See `SignalExporter`."""
