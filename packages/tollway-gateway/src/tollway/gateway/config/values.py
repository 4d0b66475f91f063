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
    """A token bucket: capacity `burst`, full at the start, refilled at `calls` in each `renewal_period_s`.

    Or one of the models' `tokens`, of that capacity; or both. `key` says how many buckets there are: one
    (`endpoint`), one for each address (`client`), or one for each value of a header (`header:` and its name
    in lower case). None for `burst` is `calls`.
    """

    calls: Annotated[int, Field(gt=0)] | None = None
    renewal_period_s: Annotated[float, Field(gt=0)]
    burst: Annotated[int, Field(gt=0)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    key: str = "endpoint"


class TimeoutConfig(Value):
    """How long an upstream may take, in seconds; `idle_s` is the longest silence inside a stream."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    idle_s: float = 60.0
    total_s: float = 600.0


class RetryConfig(Value):
    """How often a model is asked for one call, `attempts` in all, and the waits between them, in seconds.

    `max_backoff_s` bounds also what an upstream's `Retry-After` may ask for. `budget` is the largest share of
    an upstream's requests that may be retries.
    """

    attempts: Annotated[int, Field(gt=0)] = 2
    backoff_s: Annotated[float, Field(ge=0)] = 0.5
    max_backoff_s: Annotated[float, Field(gt=0)] = 8.0
    budget: Annotated[float, Field(ge=0, le=1)] = 0.2


class HedgeConfig(Value):
    """When a second request is sent beside a slow first one: after `after_s`, or a quantile of the latency.

    One of the two is given. `budget` is the largest share of the endpoint's requests that may be hedged.
    """

    after_s: Annotated[float, Field(gt=0)] | None = None
    after_quantile: Annotated[float, Field(gt=0, le=1)] | None = None
    budget: Annotated[float, Field(ge=0, le=1)] = 0.05


class BreakerConfig(Value):
    """When an upstream's circuit breaker opens, and for how long.

    It opens after `consecutive_failures`, or when of `min_requests` and more within `window_s` seconds at
    least the share `failure_rate` failed. After `open_for_s` seconds (twice as long each further time, at
    most `max_open_for_s`) `probes` requests at a time are let through. Meanwhile requests go to other
    candidates (`divert`: to this one if there are none), or are rejected.
    """

    failure_rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    min_requests: Annotated[int, Field(gt=0)] = 20
    consecutive_failures: Annotated[int, Field(gt=0)] = 5
    window_s: Annotated[float, Field(gt=0)] = 10.0
    open_for_s: Annotated[float, Field(gt=0)] = 5.0
    max_open_for_s: Annotated[float, Field(gt=0)] = 15.0
    probes: Annotated[int, Field(gt=0)] = 1
    when_open: Literal["divert", "reject"] = "divert"


class ConcurrencyConfig(Value):
    """Requests of an endpoint that may be in flight, and those that may wait, for `max_wait_s` seconds."""

    max_in_flight: Annotated[int, Field(gt=0)]
    max_queue: Annotated[int, Field(ge=0)] = 100
    max_wait_s: Annotated[float, Field(gt=0)] = 5.0


BudgetPeriod = Literal["day", "week", "month"]
"""A period of the calendar; see `budgets.periods`."""


class BudgetConfig(Value):
    """An amount of 10^-12 USD for each calendar `period` in a `timezone`; `alert_at` is a share of it."""

    amount_picousd: Annotated[int, Field(gt=0)]
    period: BudgetPeriod
    timezone: str = "UTC"
    alert_at: Annotated[float, Field(gt=0, le=1)] | None = None


class TagBudgetConfig(BudgetConfig):
    """A budget that all keys share which have these tags."""

    tags: Mapping[str, str]


class PriceConfig(Value):
    """What an endpoint's answers cost: prices by tier, in 10^-24 USD for one token or request.

    The tiers are the keys of `cost.TIERS`.
    """

    prices: Mapping[str, int]


class EndpointConfig(Value):
    """A name that callers use, and the model that answers; `fallback` are endpoints that may in its place."""

    name: str
    endpoint_type: Task
    model: ModelConfig
    limits: tuple[LimitConfig, ...] = ()
    timeout: TimeoutConfig = TimeoutConfig()
    retry: RetryConfig | None = None
    fallback: tuple[str, ...] = ()
    hedge: HedgeConfig | None = None
    breaker: BreakerConfig | None = BreakerConfig()
    concurrency: ConcurrencyConfig | None = None
    stream_recovery: Literal["error", "continue", "buffer"] = "error"
    unsupported: Literal["error", "drop"] = "error"
    prefill: bool | None = None
    """Whether the model goes on with an answer that was begun; None is what its provider says."""

    price: PriceConfig | None = None
    """None for the vendor's list price."""

    budgets: tuple[BudgetConfig, ...] = ()


class DestinationConfig(Value):
    """An endpoint that takes a share of a route's traffic, in percent; a weight if it is no split."""

    name: str
    traffic_percentage: float | None = None


RoutingStrategy = Literal["TRAFFIC_SPLIT", "FALLBACK", "LEAST_BUSY", "LATENCY", "STICKY"]
"""How a route picks the destination of a request; see `resilience.routing`."""


class StickyConfig(Value):
    """What `STICKY` goes by: a `header` (lower case), else what the request says; for how many seconds."""

    header: str | None = None
    ttl_s: Annotated[float, Field(gt=0)] = 3600.0


class RouteConfig(Value):
    """A name whose traffic goes to endpoints of the same type; the percentages of a split sum to 100.

    `models` are further names that callers may ask it by; in these, and in its own, one `*` stands for any
    text.
    """

    name: str
    task_type: Task
    destinations: tuple[DestinationConfig, ...]
    routing_strategy: RoutingStrategy = "TRAFFIC_SPLIT"
    limits: tuple[LimitConfig, ...] = ()
    budgets: tuple[BudgetConfig, ...] = ()
    sticky: StickyConfig = StickyConfig()
    models: tuple[str, ...] = ()


class StoreConfig(Value):
    """The folder of the traces, their layout, and the mode of new files: 0o600 is their owner's alone.

    Days that ended `seal_after_s` ago are sealed; None seals none.
    """

    path: str = "traces"
    layout: Literal["files", "journal"] = "files"
    file_mode: int = 0o600
    seal_after_s: float | None = None


class OTLPConfig(Value):
    """Where spans go by OTLP/HTTP: nowhere if `endpoint` is empty, whatever the environment says.

    Keys and passwords may be in it and in the headers, which are kept out of every repr. `dialect` names what
    the receiver calls attributes.
    """

    endpoint: str = Field(repr=False)
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)
    dialect: str = "genai"


class TracingConfig(Value):
    """What is recorded of requests; None for `store` writes no trace files.

    None for `sampling_rate`, `slow_threshold_ms` and `otlp` leaves them to the environment. An infinite
    `slow_threshold_ms` is none, whatever it says.
    """

    service_name: str = "tollway-gateway"
    sampling_rate: Annotated[float, Field(ge=0, le=1)] | None = None
    slow_threshold_ms: Annotated[float, Field(ge=0)] | None = None
    store: StoreConfig | None = StoreConfig()
    otlp: OTLPConfig | tuple[OTLPConfig, ...] | None = None
    capture_content: bool = False

    @property
    def otlp_targets(self) -> tuple[OTLPConfig, ...]:
        """Where spans go by OTLP, one or several."""
        found = (self.otlp,) if isinstance(self.otlp, OTLPConfig) else self.otlp or ()
        return tuple(target for target in found if target.endpoint)


class TLSConfig(Value):
    """Paths of PEM files: the certificate (its own first, then those in between) and its private key."""

    certificate: str
    key: str


class AdminConfig(Value):
    """An address of its own for the control plane, which is then not on that of callers."""

    port: Annotated[int, Field(ge=1, le=65535)]
    host: str = "127.0.0.1"


class CORSConfig(Value):
    """Web pages that may call the gateway, by origin: `https://app.example`, `https://*.app.example` or `*`.

    A browser remembers for `max_age_s` seconds that it may.
    """

    origins: tuple[str, ...] = ()
    max_age_s: Annotated[float, Field(ge=0)] = 600.0


class ServerConfig(Value):
    """Bounds on what callers may send and models may answer, and on how long a stop may take.

    `max_json_nodes` bounds the values of one body (an object counts as three), `max_buffered_bytes` the
    memory of all bodies in flight in one worker, parsed and not, `max_predict_calls` the calls of one
    endpoint's `predict` that run at the same time in one worker. `allowed_hosts` are names, lower case, that
    callers reach the gateway by beside those of this machine; `*.name` stands for all below a name, `*` for
    all. `max_answer_bytes` bounds a model's whole answer. Without `tls` the gateway speaks plain HTTP.
    """

    max_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024
    max_json_nodes: Annotated[int, Field(gt=0)] = 2_000_000
    max_buffered_bytes: Annotated[int, Field(gt=0)] = 256 * 1024 * 1024
    max_predict_calls: Annotated[int, Field(gt=0)] = 32
    allowed_hosts: tuple[str, ...] = ()
    max_answer_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    drain_timeout_s: Annotated[float, Field(ge=0)] = 30.0
    cors: CORSConfig = CORSConfig()
    admin: AdminConfig | None = None
    tls: TLSConfig | None = None


class KeyConfig(Value):
    """A caller's key by its SHA-256 digest, in hex; the key itself is not kept.

    `endpoints` are the endpoints and routes that it may name, None for all; `expires_s` is Unix time.
    """

    name: str
    digest: str = Field(repr=False)
    endpoints: tuple[str, ...] | None = None
    limits: tuple[LimitConfig, ...] = ()
    budgets: tuple[BudgetConfig, ...] = ()
    expires_s: float | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)


class AuthConfig(Value):
    """Who may use the gateway: callers by their keys, and the admin by the digest of its key.

    With `public_metrics` nobody needs a key for `/metrics`.
    """

    keys: tuple[KeyConfig, ...] = ()
    budgets: tuple[TagBudgetConfig, ...] = ()
    admin_digest: str | None = Field(default=None, repr=False)
    public_metrics: bool = False


class LimitsConfig(Value):
    """Where the buckets of all limits are: `shared` by all workers on this machine, or the URL of a Redis."""

    storage: str = Field(default="shared", repr=False)


class GatewayConfig(Value):
    """A whole configuration; names of endpoints and routes are unique together."""

    endpoints: tuple[EndpointConfig, ...]
    routes: tuple[RouteConfig, ...] = ()
    tracing: TracingConfig = TracingConfig()
    server: ServerConfig = ServerConfig()
    limits: LimitsConfig = LimitsConfig()
    auth: AuthConfig = AuthConfig()

    @property
    def has_budgets(self) -> bool:
        """Whether anything has a budget."""
        return bool(
            self.auth.budgets
            or any(one.budgets for one in self.endpoints)
            or any(one.budgets for one in self.routes)
            or any(one.budgets for one in self.auth.keys)
        )
