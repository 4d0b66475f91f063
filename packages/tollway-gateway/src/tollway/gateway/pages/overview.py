"""A gateway's numbers at a glance: those of all workers, and how they went while somebody looked."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple

from tollway.gateway.budgets.store import BudgetStore
from tollway.gateway.control.serving import Current
from tollway.gateway.cost import PICOUSD
from tollway.gateway.resilience.breaker import State
from tollway.gateway.telemetry import Metrics
from tollway.gateway.telemetry.metrics import CONTROL_ROUTE, LATENCY_BUCKETS_S

MAX_SAMPLES = 450
"""Of the series: a quarter of an hour, at one in two seconds."""

SAMPLE_S = 1.5
"""Two pages that are open make no more samples than one."""

Totals = Mapping[tuple[Any, ...], list[float]]


class _Sample(NamedTuple):
    at_ms: float
    requests: float
    errors: float
    buckets: tuple[float, ...]


class GatewayOverview:
    """Sums up. For any number of threads."""

    def __init__(
        self,
        metrics: Metrics,
        current: Current,
        budgets: Callable[[], BudgetStore | None],
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._current = current
        self._budgets = budgets
        self._now_s = now_s
        self._since_ms = now_s() * 1000
        self._samples: deque[_Sample] = deque(maxlen=MAX_SAMPLES)
        self._lock = Lock()

    def now(self) -> dict[str, Any]:
        """Return the numbers as they are now. May block for some milliseconds."""
        with self._lock:
            for source in self._metrics.sources:
                list(source())  # each publishes its own numbers when it is asked
            totals = self._metrics.totals()
            sample = _sample(totals, self._now_s() * 1000)
            if not self._samples or sample.at_ms - self._samples[-1].at_ms >= SAMPLE_S * 1000:
                self._samples.append(sample)
            return {
                "since_ms": self._since_ms,
                "requests": sample.requests,
                "errors": sample.errors,
                "latency": _percentiles(sample.buckets),
                "tokens": {
                    "input": _sum(totals, "gateway_tokens", 4, "input"),
                    "output": _sum(totals, "gateway_tokens", 4, "output"),
                },
                "cost_usd": _sum(totals, "gateway_cost_usd") / PICOUSD,
                "in_flight": _sum(totals, "gateway_requests_in_flight"),
                "series": _series(list(self._samples)),
                "limits": [
                    {"name": name, "denied": count}
                    for name, count in _by(totals, "gateway_limit_denials", 1).items()
                ],
                "budgets": self._spent(),
                "breakers": self._breakers(totals),
                "spans": {
                    "kept": _by(totals, "gateway_traces_kept", 1),
                    "dropped": _by(totals, "gateway_traces_dropped", 1),
                    "dropped_spans": _by(totals, "gateway_spans_dropped", 1),
                },
            }

    def _breakers(self, totals: Totals) -> list[dict[str, str]]:
        """Return the breakers of what serves, each in the state that is the worst of all workers."""
        states = _by(totals, "gateway_breaker_state", 1)
        names = [one.name for one in self._current().upstreams]
        return [{"upstream": name, "state": State(int(states.get(name, 0))).name.lower()} for name in names]

    def _spent(self) -> list[dict[str, Any]]:
        store = self._budgets()
        if store is None:
            return []
        found = []
        for budget in store.placed.values():
            spent, reserved = store.spent(budget)
            found.append(
                {
                    "name": budget.name,
                    "spent_usd": spent / PICOUSD,
                    "reserved_usd": reserved / PICOUSD,
                    "amount_usd": budget.amount_picousd / PICOUSD,
                    "renews_ms": budget.window(store.now_s()).end_s * 1000,
                }
            )
        return found


def _sample(totals: Totals, at_ms: float) -> _Sample:
    requests = errors = 0.0
    buckets = [0.0] * (len(LATENCY_BUCKETS_S) + 1)
    for key, numbers in totals.items():
        if key[0] == "gateway_requests" and key[4] != CONTROL_ROUTE:
            requests += numbers[0]
            errors += numbers[0] if int(key[5]) >= 500 else 0.0
        elif key[0] == "gateway_latency_seconds":
            buckets = [one + more for one, more in zip(buckets, numbers[:-1], strict=True)]
    return _Sample(at_ms, requests, errors, tuple(buckets))


def _series(samples: list[_Sample]) -> dict[str, list[float | None]]:
    """Return what came between each sample and the one before it."""
    found: dict[str, list[float | None]] = {
        name: [] for name in ("at_ms", "requests", "errors", "p50", "p95", "p99")
    }
    for before, now in pairwise(samples):
        found["at_ms"].append(now.at_ms)
        found["requests"].append(now.requests - before.requests)
        found["errors"].append(now.errors - before.errors)
        buckets = tuple(a - b for a, b in zip(now.buckets, before.buckets, strict=True))
        for name, value in _percentiles(buckets).items():
            found[name].append(value)
    return found


def _percentiles(buckets: tuple[float, ...]) -> dict[str, float | None]:
    """Return percentiles in milliseconds, as Prometheus estimates them within a bucket; None of nothing."""
    return {f"p{percent}": _percentile(buckets, percent) for percent in (50, 95, 99)}


def _percentile(buckets: tuple[float, ...], percent: int) -> float | None:
    wanted, below = sum(buckets) * percent / 100, 0.0
    if wanted <= 0:
        return None
    lower = 0.0
    for bound, count in zip(LATENCY_BUCKETS_S, buckets, strict=False):
        if below + count >= wanted:
            return (lower + (bound - lower) * (wanted - below) / count) * 1000
        below, lower = below + count, bound
    return lower * 1000


def _sum(totals: Totals, name: str, at: int = 0, value: str | None = None) -> float:
    chosen = (numbers for key, numbers in totals.items() if key[0] == name and value in (None, key[at]))
    return sum(numbers[0] for numbers in chosen)


def _by(totals: Totals, name: str, at: int) -> dict[str, float]:
    found: Counter[str] = Counter()
    rows: Iterable[tuple[tuple[Any, ...], list[float]]] = totals.items()
    for key, numbers in rows:
        if key[0] == name:
            found[str(key[at])] += numbers[0]  # type: ignore[assignment]  # a Counter counts floats as well
    return dict(found)
