"""What is recorded of requests: spans by OpenTelemetry's conventions, and Prometheus metrics."""

from .metrics import Labels, Metrics
from .self_metrics import TracingCollector

__all__ = ["Labels", "Metrics", "TracingCollector"]
