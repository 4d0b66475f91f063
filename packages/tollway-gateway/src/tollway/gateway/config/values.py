"""The gateway's configuration as frozen values; `load` is the one way to make them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from tollway.provider import Task

from .frozen import Field, Value


class ModelConfig(Value):
    """The model behind an endpoint; `config` has its secrets resolved and is kept out of every repr."""

    provider: str
    name: str
    config: Mapping[str, Any] = Field(default_factory=dict, repr=False)


class LimitConfig(Value):
    """A token bucket: capacity `burst`, full at the start, refilled at `calls` in each `renewal_period_s`."""

    calls: Annotated[int, Field(gt=0)]
    renewal_period_s: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(gt=0)]


class TimeoutConfig(Value):
    """How long an upstream may take, in seconds; `idle_s` is the longest silence inside a stream."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0


class EndpointConfig(Value):
    """A name that callers use, and the model that answers."""

    name: str
    endpoint_type: Task
    model: ModelConfig
    limit: LimitConfig | None = None
    timeout: TimeoutConfig = TimeoutConfig()


class DestinationConfig(Value):
    """An endpoint that takes a share of a route's traffic, in percent."""

    name: str
    traffic_percentage: float


class RouteConfig(Value):
    """A name whose traffic is split over endpoints of the same type; the percentages sum to 100."""

    name: str
    task_type: Task
    destinations: tuple[DestinationConfig, ...]
    routing_strategy: Literal["TRAFFIC_SPLIT"] = "TRAFFIC_SPLIT"


class OTLPConfig(Value):
    """Where spans go by OTLP/HTTP; `headers` may hold keys and is kept out of every repr."""

    endpoint: str
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)


class TracingConfig(Value):
    """What is recorded of requests; `store` is the folder of the trace files, None for no files.

    None for `sampling_rate` leaves it to the environment (`TOLLWAY_SAMPLING_RATE`, `OTEL_TRACES_SAMPLER`).
    """

    service_name: str = "tollway-gateway"
    sampling_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    slow_threshold_ms: Annotated[float, Field(ge=0)] | None = None
    store: str | None = "traces"
    otlp: OTLPConfig | None = None
    capture_content: bool = False


class ServerConfig(Value):
    """Bounds on what callers may send, and on how long a stop may take.

    `max_json_nodes` bounds the values of one body (an object counts as three), `max_buffered_bytes` the
    memory of all bodies in flight in one worker, parsed and not, `max_predict_calls` the calls of one
    endpoint's `predict` that run at the same time in one worker.
    """

    max_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024
    max_json_nodes: Annotated[int, Field(gt=0)] = 2_000_000
    max_buffered_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    max_predict_calls: Annotated[int, Field(gt=0)] = 32
    drain_timeout_s: Annotated[float, Field(ge=0)] = 30.0


class LimitsConfig(Value):
    """Where the buckets of all limits are: `shared` by all workers on this machine."""

    storage: Literal["shared"] = "shared"


class GatewayConfig(Value):
    """A whole configuration; names of endpoints and routes are unique together."""

    endpoints: tuple[EndpointConfig, ...]
    routes: tuple[RouteConfig, ...] = ()
    tracing: TracingConfig = TracingConfig()
    server: ServerConfig = ServerConfig()
    limits: LimitsConfig = LimitsConfig()
