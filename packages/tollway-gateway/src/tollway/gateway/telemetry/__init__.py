"""What is recorded of requests: spans by OpenTelemetry's conventions, and Prometheus metrics."""

from .metrics import Labels, Metrics

__all__ = ["Labels", "Metrics"]
