"""What exports the measurements of models' calls, where there is a receiver for them."""

from __future__ import annotations

import uuid
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource

from tollway.gateway.pipeline import Runtime
from tollway.gateway.telemetry.otlp_metrics import MetricsExport, interval_s, is_delta
from tollway.tracing.signals import Targets, signal_exporters

__all__ = ["MetricsExport", "metrics_export"]


def metrics_export(otlp: Targets | None, runtime: Runtime) -> MetricsExport | None:
    """Return what exports, and has begun to; None where nobody wants metrics by OTLP.

    `otlp` is as `tollway.tracing.configure` has it. Raises SettingError.
    """
    environ = runtime.environ
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    exporters = signal_exporters("metrics", otlp, environ=environ)
    if not exporters:
        return None
    resource = getattr(trace.get_tracer_provider(), "resource", None) or Resource.create()
    attributes = dict(resource.attributes)
    made = MetricsExport(
        runtime.metrics,
        exporters,
        attributes,
        _instance(runtime, str(attributes.get("service.instance.id") or "")),
        every_s=interval_s(environ),
        delta=is_delta(environ),
    )
    made.start()
    return made


def _instance(runtime: Runtime, given: str) -> str | None:
    """Return the id of this worker among several; one that takes its place has the same."""
    share = runtime.share
    if share is None:
        return None
    if given:
        return f"{given}-{share.worker}"
    gateway = uuid.uuid5(uuid.NAMESPACE_URL, f"{uuid.getnode():x}{Path(share.folder).absolute().as_uri()}")
    return str(uuid.uuid5(gateway, str(share.worker)))
