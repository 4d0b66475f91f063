"""Where logs and metrics go by OTLP: as the environment says, else where spans go."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Literal

from ._environment import Environment, SettingError, read_signal
from ._exporters import sender_options
from ._targets import Targets as _Targets
from ._targets import targets_of
from .otlp._grpc import GRPCSignal
from .otlp._http import Signal, signal_url
from .otlp._objects import key_values
from .otlp._sender import Sender, SenderOptions
from .otlp._signals import ConsoleSignal, HTTPSignal, SignalExporter

__all__ = ["SignalExporter", "Targets", "key_values", "signal_exporters"]

_logger = logging.getLogger(__name__)

Targets = _Targets | Literal[False]
"""As `otlp` of `configure`: False is nowhere, whatever the environment says."""


def signal_exporters(
    signal: Signal,
    otlp: Targets | None,
    headers: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[SignalExporter]:
    """Return what sends a signal: `OTEL_<SIGNAL>_EXPORTER` and its endpoint, else the targets of spans.

    Of those, the ones in the dialect genai: tools with names of their own take spans alone. `otlp` and
    `headers` are the settings of `configure`. Raises SettingError.
    """
    given = read_signal(signal, environ)
    try:
        found = [_made(signal, name, given, otlp, headers or {}) for name in _names(given, otlp)]
    except ValueError as error:
        raise error if isinstance(error, SettingError) else SettingError(str(error)) from None
    return [exporter for several in found for exporter in several]


def _names(given: Environment, otlp: Targets | None) -> tuple[str, ...]:
    asked = given.signal_endpoint or (otlp is not False and (otlp or given.endpoint))
    return given.exporters or (("otlp",) if asked else ())


def _made(
    signal: Signal,
    name: str,
    given: Environment,
    otlp: Targets | None,
    headers: Mapping[str, str],
) -> list[SignalExporter]:
    if name == "console":
        return [ConsoleSignal()]
    if name != "otlp":
        if name not in ("none", "prometheus"):  # the gateway has metrics for Prometheus anyway
            _logger.warning("OTEL_%s_EXPORTER names %r: use otlp, console or none", signal.upper(), name)
        return []
    targets = targets_of(otlp, headers)
    if given.signal_endpoint is not None or not targets:
        url = given.signal_endpoint or signal_url(given.endpoint or "http://localhost:4318", signal)
        return [_exporter(signal, url, given, {**given.headers, **headers})]
    return [
        _exporter(
            signal,
            signal_url(target.endpoint, signal),
            given,
            {**given.headers, **target.headers} if target.is_alone else target.headers,
        )
        for target in targets
        if target.dialect == "genai"
    ]


def _exporter(signal: Signal, url: str, given: Environment, headers: Mapping[str, str]) -> SignalExporter:
    protocol = given.protocol.lower()
    if protocol == "grpc":
        return GRPCSignal(signal, url.removesuffix(f"/v1/{signal}"), headers, **_grpc_options(given))
    as_json = protocol == "http/json"
    content_type = "application/json" if as_json else "application/x-protobuf"
    options: SenderOptions = {**sender_options(given), "headers": headers}
    return HTTPSignal(signal, Sender(url, content_type, **options), as_json=as_json)


def _grpc_options(given: Environment) -> dict[str, Any]:
    options = sender_options(given)
    return {"timeout_s": options["timeout_s"], "compression": given.compression, "tls": options["tls"]}
