"""The processors that export: from settings and the environment to batches on their way to a collector."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from opentelemetry.sdk.trace import SpanProcessor

from ._environment import Environment, SettingError
from ._targets import Target, Targets, targets_of
from .otlp import BatchProcessor, OTLPExporter, TLSFiles, split_credentials
from .otlp._sender import SenderOptions

_logger = logging.getLogger(__name__)

_NEEDS_OTLP = (
    "OTEL_EXPORTER_OTLP_PROTOCOL=grpc needs the reference exporter: pip install 'tollway-tracing[otlp]' "
    "(or use http/protobuf, which does not)"
)


def exporting(
    given: Environment, otlp: Targets | Literal[False] | None, headers: Mapping[str, str]
) -> list[SpanProcessor]:
    """Return what exports: as OTEL_TRACES_EXPORTER says, and to `otlp`; False is nowhere.

    Raises SettingError.
    """
    try:
        return list(_exporting(given, otlp, headers))
    except ValueError as error:
        raise error if isinstance(error, SettingError) else SettingError(str(error)) from None


def _exporting(
    given: Environment, otlp: Targets | Literal[False] | None, headers: Mapping[str, str]
) -> Iterator[SpanProcessor]:
    targets = targets_of(otlp, headers)
    asked = targets or (otlp is not False and (given.endpoint or given.signal_endpoint))
    names = given.exporters or (("otlp",) if asked else ())
    if targets and "otlp" not in names:
        names = (*names, "otlp")
    for name in names:
        if name == "otlp":
            if otlp is not False:
                exporters = [_otlp_exporter(given, target) for target in targets]
                for exporter in exporters or [_by_environment(given, headers)]:
                    yield BatchProcessor(exporter, **given.batch)  # type: ignore[arg-type]  # keywords of mixed types
        elif name == "console":
            from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

            yield SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stdout))
        elif name != "none":
            _logger.warning("OTEL_TRACES_EXPORTER names %r: use otlp, console or none", name)


def _by_environment(given: Environment, headers: Mapping[str, str]) -> Any:
    """Return the exporter to where the environment says, or to a collector on this machine."""
    all_headers = {**given.headers, **headers}
    if given.protocol.lower() == "grpc":
        return _grpc_exporter(given, given.signal_endpoint or given.endpoint, all_headers)
    return _http_exporter(
        given,
        endpoint=given.endpoint or "http://localhost:4318",
        traces_endpoint=given.signal_endpoint,
        headers=all_headers,
    )


def _otlp_exporter(given: Environment, target: Target) -> Any:
    headers = {**given.headers, **target.headers} if target.is_alone else target.headers
    if given.protocol.lower() == "grpc":
        if target.dialect != "genai":
            raise SettingError(f"otlp dialect {target.dialect!r} needs http/protobuf or http/json, not grpc")
        return _grpc_exporter(given, target.endpoint, headers)
    return _http_exporter(given, endpoint=target.endpoint, headers=headers, dialect=target.dialect)


def _http_exporter(given: Environment, **options: Any) -> OTLPExporter:
    protocol = given.protocol.lower()
    if protocol not in ("", "http/protobuf", "http/json"):
        _logger.warning("OTEL_EXPORTER_OTLP_PROTOCOL is %r: http/protobuf is used", given.protocol)
    return OTLPExporter(
        protocol="http/json" if protocol == "http/json" else "http/protobuf",
        **sender_options(given),
        **options,
    )


def sender_options(given: Environment) -> SenderOptions:
    """Return how the environment has requests sent."""
    return {
        "timeout_s": _timeout_s(given),
        "compression": given.compression,
        "tls": TLSFiles(given.certificate, given.client_certificate, given.client_key),
        "proxies": given.proxies,
    }


def _timeout_s(given: Environment) -> float:
    """Return the seconds for an export: the specification counts milliseconds, the SDK's exporters do not."""
    return 10.0 if given.timeout_ms is None else given.timeout_ms / 1000


def _grpc_exporter(given: Environment, endpoint: str | None, headers: Mapping[str, str]) -> Any:
    try:
        from grpc import Compression  # type: ignore[import-untyped]  # it ships no types
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise SettingError(_NEEDS_OTLP) from None
    if endpoint is not None:
        endpoint, credentials = split_credentials(endpoint)
        headers = {**credentials, **headers}
    insecure = True if endpoint and endpoint.startswith("http://") else None
    return OTLPSpanExporter(
        endpoint=endpoint,
        insecure=insecure,
        headers={name.lower(): value for name, value in headers.items()} or None,  # gRPC allows no others
        timeout=_timeout_s(given),
        compression=Compression.Gzip if given.compression == "gzip" else Compression.NoCompression,
    )
