"""The OpenTelemetry Collector's configuration by our policy: a ratio, the slow and the failed are kept.

For `mode="collector"`: every service sends everything; the collector, which alone sees whole traces, decides.
"""

from __future__ import annotations

from string import Template

from .sampling import RatioSlowSampler

__all__ = ["collector_config"]

_SLOW = "      - {{name: slow, type: latency, latency: {{threshold_ms: {}}}}}\n"

_CONFIG = Template("""\
# OpenTelemetry Collector (contrib): OTLP in; slow and failed traces and a ratio of the rest to Jaeger; span
# metrics from everything that came in. Made by `tollway tracing collector-config`.
# Send it whole traces (sampling mode `collector`, or a rate of 1.0): two ratios would multiply.
extensions:
  health_check:
    endpoint: $${env:COLLECTOR_HEALTH_ADDRESS:-127.0.0.1:13133}

receivers:
  otlp:
    protocols:
      grpc:
        endpoint: $${env:COLLECTOR_OTLP_GRPC_ADDRESS:-127.0.0.1:4317}
      http:
        endpoint: $${env:COLLECTOR_OTLP_HTTP_ADDRESS:-127.0.0.1:4318}

processors:
  memory_limiter:                       # first in every pipeline: refuse before memory runs out
    check_interval: 1s
    limit_mib: $${env:COLLECTOR_MEMORY_MIB:-${memory_limit}}
    spike_limit_mib: $${env:COLLECTOR_SPIKE_MIB:-${spike}}
  tail_sampling:
    decision_wait: $${env:COLLECTOR_DECISION_WAIT:-${decision_wait}}   # for a trace, from its first span
    num_traces: $${env:COLLECTOR_TRACES_IN_MEMORY:-100000}   # more than arrive in one wait (docs/scaling.md)
    policies:                           # any one keeps the trace
${slow}\
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: ratio, type: probabilistic, probabilistic: {sampling_percentage: ${percentage}}}
  batch:
    timeout: 200ms

connectors:
  spanmetrics:
    metrics_flush_interval: 15s
    dimensions:
      - name: gen_ai.request.model
      - name: gen_ai.provider.name
    histogram:
      explicit:
        buckets: [10ms, 50ms, 100ms, 500ms, 1s, 5s, 10s, 30s, 60s]

exporters:
  otlp/jaeger:
    endpoint: $${env:JAEGER_OTLP_GRPC_ADDRESS:-127.0.0.1:14317}
    tls:
      insecure: true
  prometheus:
    endpoint: $${env:COLLECTOR_METRICS_ADDRESS:-127.0.0.1:8889}

service:
  extensions: [health_check]
  telemetry:
    metrics:
      level: none                       # its own metrics would take port 8888
  pipelines:
    traces/kept:
      receivers: [otlp]
      processors: [memory_limiter, tail_sampling, batch]
      exporters: [otlp/jaeger]
    traces/measured:                    # before sampling: the metrics count every span
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [spanmetrics]
    metrics:
      receivers: [spanmetrics]
      exporters: [prometheus]
""")


def collector_config(
    *,
    sampling_rate: float = 0.2,
    slow_threshold_ms: float | None = 1000,
    decision_wait_s: int = 10,
    memory_limit_mib: int = 512,
) -> str:
    """Return the YAML of a collector whose tail sampling is this policy.

    sampling_rate: 0 to 1, of the traces that are neither slow nor failed. slow_threshold_ms: None keeps no
    trace for being slow; the collector counts whole milliseconds, so a fraction is cut, which keeps more.
    decision_wait_s: how long a trace is waited for. memory_limit_mib: what the collector may use before it
    refuses. Raises ValueError for settings that are no policy.

    The collector's `probabilistic` policy hashes the trace id with a salt of its own: it keeps the ratio, but
    not the traces that the `th` of OpenTelemetry's consistent sampling would.
    https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/tailsamplingprocessor
    """
    policy = RatioSlowSampler(sampling_rate, slow_threshold_ms, mode="collector")
    if decision_wait_s < 1:
        raise ValueError(f"decision_wait_s is a number of seconds, not {decision_wait_s!r}")
    if memory_limit_mib < 1:
        raise ValueError(f"memory_limit_mib is a number of MiB, not {memory_limit_mib!r}")
    slow = "" if policy.slow_threshold_ms is None else _SLOW.format(int(policy.slow_threshold_ms))
    return _CONFIG.substitute(
        memory_limit=memory_limit_mib,
        spike=max(1, memory_limit_mib // 4),
        decision_wait=f"{decision_wait_s}s",
        slow=slow,
        percentage=f"{policy.sampling_rate * 100:.10g}",
    )
