"""The OTLP/HTTP exporter of spans, in protocol buffers or JSON, for our batch processor or any other."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Unpack, get_args

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tollway.tracing._redaction import redacted_url
from tollway.tracing.semconv.dialects import DIALECTS

from ._answer import rejected_items
from ._encode import Encoder
from ._http import signal_url
from ._protobuf import ProtobufEncoder
from ._sender import Sender, SenderOptions

_logger = logging.getLogger(__name__)


@dataclass
class ExportCounts:
    """What became of the spans; numbers only grow."""

    exported_spans: int = 0
    rejected_spans: int = 0
    """Spans that the receiver refused in an otherwise successful answer (partial success)."""
    failed_spans: int = 0
    """Spans of batches that were given up."""
    retries: int = 0


Protocol = Literal["http/protobuf", "http/json"]


class OTLPExporter(SpanExporter):
    """Sends spans to `endpoint` + `/v1/traces` (or to `traces_endpoint` as it is) by OTLP over HTTP.

    dialect: what attributes are called for the receiver: genai, openinference (Phoenix), mlflow or langfuse.
    options: see `Sender`. Neither credentials nor the query of a URL are ever logged. Not for use by several
    threads at once, as the specification says of exporters.
    """

    def __init__(
        self,
        endpoint: str = "http://localhost:4318",
        *,
        protocol: Protocol = "http/protobuf",
        dialect: str = "genai",
        traces_endpoint: str | None = None,
        **options: Unpack[SenderOptions],
    ) -> None:
        if protocol not in get_args(Protocol):
            raise ValueError(f"protocol is one of {', '.join(get_args(Protocol))}, not {protocol!r}")
        if dialect not in DIALECTS:
            raise ValueError(f"dialect is one of {', '.join(DIALECTS)}, not {dialect!r}")
        self.counts = ExportCounts()
        encoder = Encoder if protocol == "http/json" else ProtobufEncoder
        self._encoder = encoder(DIALECTS[dialect])
        url = traces_endpoint or signal_url(endpoint, "traces")
        self._sender = Sender(url, self._encoder.content_type, **options)
        self.url = self._sender.url
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; retry what may succeed within the time. Never raises."""
        if self._sender.is_stopped:
            self.counts.failed_spans += len(spans)
            return SpanExportResult.FAILURE
        problem = self._sender.send(self._encoder.traces_data(spans), self._note_rejected)
        self.counts.retries = self._sender.retries
        return self._succeeded(len(spans)) if problem is None else self._failed(len(spans), problem)

    def _succeeded(self, spans: int) -> SpanExportResult:
        self.counts.exported_spans += spans
        self._failing = False
        return SpanExportResult.SUCCESS

    def _failed(self, spans: int, problem: str) -> SpanExportResult:
        self.counts.failed_spans += spans
        if not self._failing:  # one line for an outage, not one for each batch
            self._failing = True
            _logger.warning("cannot export spans to %s: %s", redacted_url(self.url), problem)
        return SpanExportResult.FAILURE

    def _note_rejected(self, headers: Mapping[str, str], answer: bytes) -> None:
        rejected, why = rejected_items(headers, answer)
        if rejected > 0:
            self.counts.rejected_spans += rejected
            self.counts.exported_spans -= rejected
            _logger.warning("%s rejected %d spans: %s", redacted_url(self.url), rejected, why)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept between exports."""
        return True

    def shutdown(self) -> None:
        """End a retry that waits, and refuse later exports."""
        self._sender.stop()

    def close(self) -> None:
        """Close the connection; only between exports."""
        self._sender.close()


class OTLPJsonExporter(OTLPExporter):
    """Sends spans as OTLP JSON."""

    def __init__(self, endpoint: str = "http://localhost:4318", **options: Any) -> None:
        super().__init__(endpoint, protocol="http/json", **options)
