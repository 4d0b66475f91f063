"""Feedback on its way to collectors: events in OTLP logs, from a thread of its own."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import Resource

from ._ending import end_with_process
from ._environment import SettingError
from ._worker import SHUTDOWN_S, SpanWorker
from .feedback import Feedback, logs_data
from .otlp._objects import key_values
from .otlp._signals import SignalExporter

_logger = logging.getLogger(__name__)

_MAX_QUEUED = 16_384
_MAX_BATCH = 512


class _Sink:
    def __init__(self, exporters: Sequence[SignalExporter], resource: Resource) -> None:
        self.exporters = exporters
        self.held_spans = 0
        self.failed = 0
        self._resource = key_values(resource.attributes)

    def consume(self, spans: list[Feedback], *, flush: bool) -> bool:
        """Send all of it to every receiver; what one does not take is counted."""
        succeeded = True
        for start in range(0, len(spans), _MAX_BATCH):
            batch = spans[start : start + _MAX_BATCH]
            data = logs_data(batch, self._resource)
            for exporter in self.exporters:
                if not exporter.send(data):
                    self.failed += len(batch)
                    succeeded = False
        return succeeded

    def stop(self) -> None:
        for exporter in self.exporters:
            exporter.stop()

    def close(self) -> None:
        for exporter in self.exporters:
            exporter.stop()
            exporter.close()

    def after_fork(self) -> None:
        self.failed = 0
        for exporter in self.exporters:
            exporter.close()


class FeedbackExporter:
    """Sends feedback as `gen_ai.evaluation.result` events; `put` costs a queue append."""

    def __init__(self, exporters: Sequence[SignalExporter], resource: Resource) -> None:
        self._sink = _Sink(exporters, resource)
        self._worker: SpanWorker = SpanWorker(
            self._sink, name="tollway-feedback", max_queue_spans=_MAX_QUEUED, interval_s=1.0
        )
        atexit.register(self.shutdown)
        end_with_process(self)

    @property
    def failed(self) -> int:
        """Events that a receiver did not take, or for which the queue had no room."""
        return self._sink.failed + self._worker.dropped

    def put(self, feedback: Feedback) -> None:
        """Queue feedback."""
        self._worker.put(feedback)

    def flush(self, timeout_s: float) -> bool:
        """Send what is queued; return whether all of it was taken in time."""
        return self._worker.flush(timeout_s)

    def shutdown(self, timeout_s: float = SHUTDOWN_S) -> None:
        """Send what is queued, at most so long, and stop; safe to call again."""
        self._worker.shutdown(timeout_s)
        atexit.unregister(self.shutdown)


class _Current:
    """Where feedback goes now: made with the first of it, as most programs give none."""

    make: Callable[[], FeedbackExporter | None] = staticmethod(lambda: None)
    made: FeedbackExporter | None = None


def set_feedback_exporter(find: Callable[[], Sequence[SignalExporter]], resource: Resource) -> None:
    """Send feedback by what is found from now on; what was queued before is sent first."""

    def make() -> FeedbackExporter | None:
        try:
            exporters = find()
        except SettingError as error:
            _logger.warning("feedback is not exported: %s", error)
            exporters = ()
        _Current.make = staticmethod(lambda: None)
        return FeedbackExporter(exporters, resource) if exporters else None

    if (old := _Current.made) is not None:
        old.shutdown()
    _Current.made, _Current.make = None, staticmethod(make)


def feedback_exporter() -> FeedbackExporter | None:
    """Return what sends feedback; None where it goes nowhere."""
    if _Current.made is None:
        _Current.made = _Current.make()
    return _Current.made


def flush_feedback(timeout_s: float) -> bool:
    """Send the feedback that is queued; return whether all of it was taken in time."""
    return _Current.made is None or _Current.made.flush(timeout_s)


def shut_down_feedback(timeout_s: float) -> None:
    """Send the feedback that is queued, at most so long, and no more after it."""
    if _Current.made is not None:
        _Current.made.shutdown(timeout_s)
