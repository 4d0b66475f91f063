"""What `opentelemetry-instrument` starts with: Tollway's provider under a program that was not changed.

Where another distribution is installed too, OTEL_PYTHON_DISTRO=tollway and OTEL_PYTHON_CONFIGURATOR=tollway
choose.
https://opentelemetry.io/docs/zero-code/python/configuration/
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import Any

from ._configure import configure
from ._private.distro import Distro

__all__ = ["TollwayConfigurator", "TollwayDistro"]

_TARGETS = ("OTEL_TRACES_EXPORTER", "TOLLWAY_STORE", "TOLLWAY_CONFIG", "MLFLOW_TRACKING_URI")


class TollwayDistro(Distro):
    """Exports traces by OTLP where nothing else is said."""

    def set_up(self) -> None:
        """Say where traces go where the environment is silent."""
        set_defaults(os.environ)


class TollwayConfigurator:
    """Sets up tracing by the environment."""

    def configure(self, **_: Any) -> None:
        """Set up tracing; see `tollway.tracing.configure`."""
        configure()


def set_defaults(environ: MutableMapping[str, str]) -> None:
    """Have traces exported by OTLP, as OpenTelemetry's own distribution does, where they go nowhere else."""
    if not any(environ.get(name) for name in _TARGETS):
        environ["OTEL_TRACES_EXPORTER"] = "otlp"
