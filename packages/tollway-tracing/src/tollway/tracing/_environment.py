"""What the environment says about tracing; the one place that reads it.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from ._redaction import redacted_url
from .otlp._http import Signal, is_http_url

_logger = logging.getLogger(__name__)


class SettingError(ValueError):
    """A setting, from an argument or the environment, that cannot be used; the message says how to fix it."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The variables as values; None where one is not set."""

    sampling_rate: float | None = None
    slow_threshold_ms: float | None = None
    mode: str | None = None
    store: str | None = None
    sampler: str | None = None
    """`OTEL_TRACES_SAMPLER`, where it is none that our own policy can follow."""
    exporters: tuple[str, ...] = ()
    endpoint: str | None = None
    signal_endpoint: str | None = None
    """Where this signal goes, as it is; `endpoint` is the base for all signals."""
    protocol: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: float | None = None
    compression: str | None = None
    batch: Mapping[str, float] = field(default_factory=dict)
    sampler_ratio: float | None = None
    """The ratio of `sampler`; None where that has none."""
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict)


def read_environment(environ: Mapping[str, str] = os.environ) -> Environment:
    """Read everything. Raises SettingError for our own variables; OTel's that make no sense are warned of."""
    sampler, ratio = _sampler(environ)
    own_ratio = None if sampler is None else _ratio_of(sampler, environ)
    return replace(
        read_signal("traces", environ),
        sampling_rate=_number(environ, "TOLLWAY_SAMPLING_RATE", ratio),
        slow_threshold_ms=_number(environ, "TOLLWAY_SLOW_THRESHOLD_MS", None),
        mode=environ.get("TOLLWAY_SAMPLING_MODE") or None,
        store=environ.get("TOLLWAY_STORE") or None,
        sampler=sampler,
        batch=_batch(environ),
        sampler_ratio=own_ratio,
    )


def read_signal(signal: Signal, environ: Mapping[str, str] = os.environ) -> Environment:
    """Read where one signal is exported, and how: `OTEL_<SIGNAL>_EXPORTER` and `OTEL_EXPORTER_OTLP_*`."""
    otlp = _Otlp(environ, signal)
    exporters = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").split(",")
    return Environment(
        exporters=tuple(name.strip().lower() for name in exporters if name.strip()),
        endpoint=_endpoint(environ, "OTEL_EXPORTER_OTLP_ENDPOINT", otlp),
        signal_endpoint=_endpoint(environ, f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", otlp),
        protocol=otlp.get("PROTOCOL") or "",
        headers=_headers(otlp.get("HEADERS") or ""),
        timeout_ms=_timeout_ms(otlp.get("TIMEOUT")),
        compression=_compression(otlp.get("COMPRESSION")),
        certificate=otlp.get("CERTIFICATE"),
        client_certificate=otlp.get("CLIENT_CERTIFICATE"),
        client_key=otlp.get("CLIENT_KEY"),
        proxies={name: value for name, value in environ.items() if name.lower().endswith("_proxy")},
    )


def _endpoint(environ: Mapping[str, str], name: str, otlp: _Otlp) -> str | None:
    """Return an endpoint; None, with a warning, where it is none. gRPC knows endpoints without a scheme."""
    value = environ.get(name, "").strip()
    if not value or (otlp.get("PROTOCOL") or "").lower() == "grpc" or is_http_url(value):
        return value or None
    _logger.warning("%s is %r: use an http:// or https:// URL; ignored", name, redacted_url(value))
    return None


class _Otlp:
    """`OTEL_EXPORTER_OTLP_*`, where the variable for one signal goes before the one for all of them."""

    def __init__(self, environ: Mapping[str, str], signal: Signal) -> None:
        self._environ = environ
        self._own = f"OTEL_EXPORTER_OTLP_{signal.upper()}_"

    def get(self, name: str) -> str | None:
        environ = self._environ
        return environ.get(f"{self._own}{name}") or environ.get(f"OTEL_EXPORTER_OTLP_{name}") or None


def _number(environ: Mapping[str, str], name: str, default: float | None) -> float | None:
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        raise SettingError(f"{name} is {text!r}: set it to a number") from None


def _otel_number(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    _logger.warning("%s is %r, which is not a number: ignored", name, text)
    return None


def _timeout_ms(text: str | None) -> float | None:
    number = _otel_number("OTEL_EXPORTER_OTLP_TIMEOUT", text)
    if number is None or 0 < number <= _MAX_NUMBER:
        return number
    _logger.warning("OTEL_EXPORTER_OTLP_TIMEOUT is %r, which is not a time: ignored", text)
    return None


def _sampler(environ: Mapping[str, str]) -> tuple[str | None, float | None]:
    """Return the sampler to leave to the SDK, or the ratio that our policy follows in its place."""
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name in ("", "parentbased_always_on"):
        return None, None
    if name == "parentbased_traceidratio":
        ratio = _otel_number("OTEL_TRACES_SAMPLER_ARG", environ.get("OTEL_TRACES_SAMPLER_ARG"))
        if ratio is not None and not 0 <= ratio <= 1:
            _logger.warning("OTEL_TRACES_SAMPLER_ARG is %r, which is not between 0 and 1: ignored", ratio)
            ratio = None
        return None, 1.0 if ratio is None else ratio
    return name, None


def _ratio_of(sampler: str, environ: Mapping[str, str]) -> float | None:
    """Return the ratio that a sampler of the SDK keeps; None where it is not known."""
    if sampler.endswith("traceidratio"):
        ratio = _otel_number("OTEL_TRACES_SAMPLER_ARG", environ.get("OTEL_TRACES_SAMPLER_ARG") or None)
        return ratio if ratio is not None and 0 <= ratio <= 1 else None
    return 0.0 if sampler.endswith("always_off") else None


def _compression(text: str | None) -> str | None:
    if text is None or (text := text.strip().lower()) in ("gzip", "none"):
        return text
    _logger.warning("OTEL_EXPORTER_OTLP_COMPRESSION is %r: use gzip or none", text)
    return None


def _headers(text: str) -> dict[str, str]:
    """Read `key=value` pairs, percent-encoded, as W3C baggage has them."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            headers[unquote(key.strip())] = unquote(value.strip())
        else:
            _logger.warning("OTEL_EXPORTER_OTLP_HEADERS has a part that is not a key=value pair: ignored")
    return headers


_BATCH = {
    "OTEL_BSP_SCHEDULE_DELAY": ("interval_s", 0.001, 1),
    "OTEL_BSP_MAX_QUEUE_SIZE": ("max_queue_spans", 1, 1),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": ("max_batch_spans", 1, 1),
}

_MAX_NUMBER = 1_000_000_000
"""Of milliseconds and of spans: more is a slip, and more than threads can wait for."""


def _batch(environ: Mapping[str, str]) -> dict[str, float]:
    found = {}
    for name, (key, unit, least) in _BATCH.items():
        number = _otel_number(name, environ.get(name) or None)
        if number is None:
            continue
        if not least <= number <= _MAX_NUMBER:
            _logger.warning(
                "%s is %r, which is not between %d and %d: ignored", name, number, least, _MAX_NUMBER
            )
            continue
        found[key] = number * unit if key == "interval_s" else int(number)
    return found
