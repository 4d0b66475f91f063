"""Logs and metrics over gRPC, by its own package: the messages are made here, so no stubs are needed."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tollway.tracing._redaction import redacted_url

from ._http import Signal, TLSFiles, split_credentials
from ._signals import signal_protobuf

_logger = logging.getLogger(__name__)

_METHODS: Mapping[Signal, str] = {
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}


class GRPCSignal:
    """Sends one signal to one receiver; see `SignalExporter`. Raises ValueError where grpc is not installed.

    An endpoint that begins with http:// is spoken to in the clear, any other by TLS.
    """

    def __init__(
        self,
        signal: Signal,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        compression: str | None,
        tls: TLSFiles,
    ) -> None:
        try:
            import grpc  # type: ignore[import-untyped]  # it has no types
        except ImportError:
            raise ValueError(
                f"{signal} over grpc need grpcio: pip install 'tollway-tracing[otlp]' (or use http/protobuf)"
            ) from None
        self._signal = signal
        self._timeout_s = timeout_s
        self._where = redacted_url(endpoint)
        bare, credentials = split_credentials(endpoint)
        self._metadata = [(name.lower(), value) for name, value in {**credentials, **headers}.items()]
        address = urlsplit(bare).netloc if "://" in bare else bare
        code = grpc.Compression.Gzip if compression == "gzip" else grpc.Compression.NoCompression
        if endpoint.startswith("http://"):
            self._channel = grpc.insecure_channel(address, compression=code)
        else:
            self._channel = grpc.secure_channel(address, _credentials(grpc, tls), compression=code)
        self._export = self._channel.unary_unary(_METHODS[signal])
        self._failing = False

    def send(self, data: Mapping[str, Any]) -> bool:
        """See `SignalExporter`."""
        try:
            self._export(
                signal_protobuf(self._signal, data),
                timeout=self._timeout_s,
                metadata=self._metadata,
                wait_for_ready=True,
            )
        except Exception as error:  # an RpcError, or what a channel that was closed raises
            if not self._failing:  # one line for an outage
                why = error.code() if hasattr(error, "code") else error
                _logger.warning("cannot export %s to %s: %s", self._signal, self._where, why)
            self._failing = True
            return False
        self._failing = False
        return True

    def stop(self) -> None:
        """See `SignalExporter`: a call that waits ends."""
        self._channel.close()

    def close(self) -> None:
        """See `SignalExporter`: the channel connects again by itself."""


def _credentials(grpc: Any, tls: TLSFiles) -> Any:
    def read(path: str | None) -> bytes | None:
        if path is None:
            return None
        with open(path, "rb") as file:
            return file.read()

    return grpc.ssl_channel_credentials(
        read(tls.certificate), read(tls.client_key), read(tls.client_certificate)
    )
