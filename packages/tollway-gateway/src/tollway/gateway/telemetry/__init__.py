"""What is recorded of requests: spans by OpenTelemetry's conventions, and Prometheus metrics."""

from .metrics import UNKNOWN, Labels, Metrics
from .self_metrics import TracingCollector

__all__ = ["UNKNOWN", "Labels", "Metrics", "TracingCollector"]
