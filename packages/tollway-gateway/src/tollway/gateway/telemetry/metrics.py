"""The gateway's Prometheus metrics. Every label value comes from the config or from a fixed set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from tollway.provider import Usage

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)

_MAX_CODES = 64
"""Error codes told apart: a provider may pass on an upstream's, and those are not ours to bound."""

_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Labels:
    """Who a request was for: `unknown` where it never came to be known."""

    endpoint: str = "unknown"
    provider: str = "unknown"
    model: str = "unknown"


class Metrics:
    """One registry of counters, for one application."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        who = ("endpoint", "provider", "model")
        self._requests = Counter(
            "gateway_requests", "Requests answered.", (*who, "route", "status"), registry=registry
        )
        self._latency = Histogram(
            "gateway_latency_seconds",
            "From the request's first byte to the answer's last.",
            (*who, "route"),
            registry=registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        self._errors = Counter(
            "gateway_errors",
            "Requests that failed, by stable code.",
            (*who, "route", "code"),
            registry=registry,
        )
        self._tokens = Counter(
            "gateway_tokens", "Tokens as the models counted them.", (*who, "type"), registry=registry
        )
        self._first_token = Histogram(
            "gateway_first_token_seconds",
            "From the attempt's start to the first event of its stream.",
            who,
            registry=registry,
            buckets=_LATENCY_BUCKETS_S,
        )
        self._denials = Counter(
            "gateway_limit_denials", "Requests denied by a limit.", who, registry=registry
        )
        self.in_flight = Gauge("gateway_requests_in_flight", "Requests being answered.", registry=registry)
        self._codes: set[str] = set()
        self._bound_tokens: dict[Labels, tuple[Counter, Counter]] = {}
        self._bound: dict[tuple[Labels, str, int], tuple[Counter, Histogram]] = {}

    def answered(
        self, labels: Labels, route: str, status: int, latency_s: float, trace_id: str | None
    ) -> None:
        """Count an answer; `trace_id`, when given, becomes the latency's exemplar."""
        bound = self._bound.get((labels, route, status))
        if bound is None:
            who = (labels.endpoint, labels.provider, labels.model, route)
            bound = self._requests.labels(*who, str(status)), self._latency.labels(*who)
            self._bound[labels, route, status] = bound
        requests, latency = bound
        requests.inc()
        latency.observe(latency_s, None if trace_id is None else {"trace_id": trace_id})

    def failed(self, labels: Labels, route: str, code: str) -> None:
        """Count a failure by its code."""
        self._errors.labels(
            labels.endpoint, labels.provider, labels.model, route, self.code_label(code)
        ).inc()

    def denied(self, labels: Labels) -> None:
        """Count a request that a limit denied."""
        self._denials.labels(labels.endpoint, labels.provider, labels.model).inc()

    def first_event(self, labels: Labels, after_s: float) -> None:
        """Measure the wait for a stream's first event."""
        self._first_token.labels(labels.endpoint, labels.provider, labels.model).observe(after_s)

    def used(self, labels: Labels, usage: Usage) -> None:
        """Count the tokens of one answer."""
        bound = self._bound_tokens.get(labels)
        if bound is None:
            who = (labels.endpoint, labels.provider, labels.model)
            bound = self._tokens.labels(*who, "input"), self._tokens.labels(*who, "output")
            self._bound_tokens[labels] = bound
        bound[0].inc(usage.input_tokens or 0)
        bound[1].inc(usage.output_tokens or 0)

    def code_label(self, code: str) -> str:
        """Return the code, or `other` when it is not one word or one too many."""
        if code not in self._codes:
            if len(self._codes) >= _MAX_CODES or not _CODE.fullmatch(code):
                return "other"
            self._codes.add(code)
        return code

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type: OpenMetrics, with exemplars, if `accept` asks."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
