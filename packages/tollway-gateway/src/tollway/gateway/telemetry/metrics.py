"""The gateway's Prometheus metrics. Every label value comes from the config or from a fixed set.

Counting is done by hand in the cells of a `CounterFile`, at a tenth of the price of `prometheus_client`'s own
counters; its families and its exposition, exemplars included, are made by `exposition.py` when somebody
scrapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from tollway.gateway.cost import PICOUSD
from tollway.gateway.resilience.breaker import Breaker, State
from tollway.provider import Usage

from .cells import AnswerCells, Exemplars, Histogram, TokenCells
from .codes import KNOWN_CODES
from .counter_file import CounterFile, Key

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from tollway.gateway.resilience.upstream import Upstream

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)

_OVERHEAD_BUCKETS_S = (
    *(0.000025, 0.00005, 0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.00075),
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)

_MAX_CODES = 64
"""Error codes of others that are told apart: a provider may pass on an upstream's."""

_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


class Labels(NamedTuple):
    """Who a request was for: `unknown` where it never came to be known."""

    endpoint: str = "unknown"
    provider: str = "unknown"
    model: str = "unknown"


UNKNOWN = Labels()


class InvalidAcceptError(ValueError):
    """A scraper's Accept header that cannot be read."""


_UNKNOWN_ROUTE = "unknown"
"""The route of a request whose path leads nowhere, or was never understood."""

CONTROL_ROUTE = "control"
"""The route of all requests to the control plane: one, since its paths are chosen by callers."""

_WHO = ("endpoint", "provider", "model")


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name, its help, its labels, and of a histogram the bounds of its buckets."""

    name: str
    help: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    per: int = 1
    """Of a counter: how many of what a cell counts make one of what is shown."""

    @property
    def cells(self) -> int:
        """Cells of one set of labels: of a histogram its buckets, the last without a bound, and the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


_REQUESTS = Family("gateway_requests", "Requests answered.", (*_WHO, "route", "status"))
_LATENCY = Family(
    "gateway_latency_seconds",
    "From the request's first byte to the answer's last.",
    (*_WHO, "route"),
    LATENCY_BUCKETS_S,
)
_OVERHEAD = Family(
    "gateway_overhead_seconds",
    "The part of the latency that was not spent waiting for the model's service; queueing is in it.",
    (*_WHO, "route"),
    _OVERHEAD_BUCKETS_S,
)
_ERRORS = Family("gateway_errors", "Requests that failed, by stable code.", (*_WHO, "route", "code"))
_TOKENS = Family("gateway_tokens", "Tokens as the models counted them.", (*_WHO, "type"))
_COST = Family("gateway_cost_usd", "What the models' answers cost, in USD.", ("endpoint",), per=PICOUSD)
_UNPRICED = Family(
    "gateway_unpriced", "Answers whose cost is not known, by the reason.", ("endpoint", "reason")
)
_UNREAD = Family(
    "gateway_unread_answers",
    "Streams of which a part could not be read, and was passed on as it came.",
    ("endpoint",),
)
_OVER_BUDGET = Family("gateway_budget_denials", "Requests denied by a budget.", ("budget",))
_BUDGET_ALERTS = Family(
    "gateway_budget_alerts", "How often what is spent of a budget passed its `alert_at`.", ("budget",)
)
_FIRST_TOKEN = Family(
    "gateway_first_token_seconds",
    "From the attempt's start to the first token of its stream.",
    _WHO,
    LATENCY_BUCKETS_S,
)
_RETRIES = Family("gateway_retries", "Calls for which an endpoint's model was asked again.", _WHO)
_RETRIES_DENIED = Family(
    "gateway_retry_budget_exhausted", "Retries not made, because the upstream's budget was spent.", _WHO
)
_FALLBACKS = Family(
    "gateway_fallbacks", "Calls that another endpoint was asked for, after this one failed.", (*_WHO, "to")
)
_HEDGES = Family("gateway_hedges", "Calls for which another attempt was made beside a slow one.", _WHO)
_ATTEMPT_ERRORS = Family(
    "gateway_attempt_errors", "Attempts at a model that failed, by stable code.", (*_WHO, "code")
)
_SHED = Family(
    "gateway_requests_shed", "Requests rejected because too many were in flight.", (*_WHO, "reason")
)
_BREAKER = Family(
    "gateway_breaker_state",
    "Of an upstream's circuit breaker, in the worker where it is worst: 0 closed, 1 half open, 2 open.",
    ("endpoint",),
)
_STORAGE_UP = Family(
    "gateway_limits_storage_up",
    "Whether the storage that the limits of several machines share serves, in all workers.",
    (),
)
_DECIDED_LOCALLY = Family(
    "gateway_limits_local_decisions",
    "Calls whose limits this machine decided, because the storage did not in time.",
    (),
)
_BREAKER_OPENED = Family("gateway_breaker_opened", "How often a circuit breaker opened.", ("endpoint",))
_DENIALS = Family("gateway_limit_denials", "Requests denied by a limit.", _WHO)
_EVICTED = Family(
    "gateway_limits_buckets_evicted",
    "Buckets of limits that were dropped though not full, for want of room.",
    (),
)
_KEY_REQUESTS = Family(
    "gateway_key_requests",
    "Requests answered, by the name of the caller's key.",
    ("key", "endpoint", "status"),
)
_KEY_TOKENS = Family("gateway_key_tokens", "Tokens, by the name of the caller's key.", ("key", "type"))
_IN_FLIGHT = Family("gateway_requests_in_flight", "Requests being answered.", ())
_BUFFERED = Family(
    "gateway_buffered_bytes",
    "Memory that the bodies of requests in flight take, parsed and not; estimated.",
    (),
)
_PREDICT_CALLS = Family(
    "gateway_predict_calls",
    "Calls of `predict` that run, those among them that nobody waits for any more.",
    ("endpoint",),
)
_PREDICT_REFUSALS = Family(
    "gateway_predict_refusals", "Requests refused because too many calls of `predict` ran.", ("endpoint",)
)
_LAG = Family(
    "gateway_event_loop_lag_seconds",
    "How late the event loop was lately, in the worker where it was worst.",
    (),
)

_RESENDS = Family(
    "gateway_upstream_resends",
    "Requests sent a second time, because a kept connection was closed as the first was on its way.",
    (),
)
_RELOADS = Family(
    "gateway_config_reloads",
    "Reloads of the configuration: applied, unchanged, or refused.",
    ("result",),
)
_REPLACED = Family("gateway_workers_replaced", "Workers that died, and whose place another took.", ())

COUNTERS = (
    *(_REQUESTS, _ERRORS, _TOKENS, _COST, _UNPRICED, _UNREAD, _OVER_BUDGET, _BUDGET_ALERTS),
    *(_DENIALS, _DECIDED_LOCALLY, _PREDICT_REFUSALS, _RESENDS, _REPLACED, _RELOADS),
    *(_KEY_REQUESTS, _KEY_TOKENS, _EVICTED),
    *(_RETRIES, _RETRIES_DENIED, _FALLBACKS, _HEDGES, _ATTEMPT_ERRORS, _SHED, _BREAKER_OPENED),
)
GAUGES = (_IN_FLIGHT, _BUFFERED, _PREDICT_CALLS, _LAG, _BREAKER, _STORAGE_UP)
_WORST: Mapping[Hashable, Callable[[float, float], float]] = {
    _LAG.name: max,
    _BREAKER.name: max,
    _STORAGE_UP.name: min,
}
"""Gauges of which all workers' worst is shown, not their sum; and which of two is that."""

HISTOGRAMS = (_LATENCY, _OVERHEAD, _FIRST_TOKEN)


class Metrics:
    """The metrics of one application; of all workers, each with its number, when they share a `folder`."""

    def __init__(self, folder: str | None = None, worker: int = 0) -> None:
        self._file = CounterFile(folder, worker)
        self.cells = self._file.cells
        self._gauges: set[str] = set()
        self._begun: set[int] = set()
        """The cells of gauges that this process has set to zero, once."""
        follows = self._file.find((_REPLACED.name,)) is not None
        self.cells[self._at(_REPLACED)] += follows
        self.in_flight = self.gauge(_IN_FLIGHT.name)
        self.buffered_bytes = self.gauge(_BUFFERED.name)
        self._lag = self.gauge(_LAG.name)
        self._codes: set[str] = set()
        self._counted: dict[tuple[Labels, str, int], AnswerCells] = {}
        self._tokens: dict[Labels, TokenCells] = {}
        self._first_tokens: dict[Labels, Histogram] = {}
        self._costs: dict[str, int] = {}
        self._keys: dict[tuple[str, str, int], tuple[int, int, int]] = {}
        self._counters: dict[tuple[str, ...], int] = {}
        self._exemplars: Exemplars = {}
        self.sources: list[Callable[[], Iterable[Metric]]] = []
        """What else is exposed: each gives its families at every scrape."""

    def answered(
        self,
        labels: Labels,
        route: str,
        status: int,
        latency_s: float,
        overhead_s: float,
        trace_id: str | None,
    ) -> None:
        """Count an answer; `trace_id`, when given, becomes the exemplar of both times."""
        counted = self._counted.get((labels, route, status))
        if counted is None:
            counted = self._counted[labels, route, status] = self._counted_at(labels, route, status)
        counted.count(latency_s, overhead_s, trace_id)

    def answered_key(self, key: str, endpoint: str, status: int, usage: Usage | None) -> None:
        """Count an answer to the caller that has a key of this name, and the tokens that it used."""
        at = self._keys.get((key, endpoint, status))
        if at is None:
            at = self._keys[key, endpoint, status] = (
                self._at(_KEY_REQUESTS, key, endpoint, str(status)),
                self._at(_KEY_TOKENS, key, "input"),
                self._at(_KEY_TOKENS, key, "output"),
            )
        self.cells[at[0]] += 1
        if usage is not None:
            self.cells[at[1]] += usage.input_tokens or 0
            self.cells[at[2]] += usage.output_tokens or 0

    def failed(self, labels: Labels, route: str, code: str) -> None:
        """Count a failure by its code."""
        self._add(_ERRORS, *labels, route, self.code_label(code))

    def rejected(self, route: str | None, status: int, code: str, took_s: float) -> None:
        """Count a request that was rejected before anybody knew whom it was for; None is an unknown route."""
        route = route or _UNKNOWN_ROUTE
        self.answered(UNKNOWN, route, status, took_s, took_s, None)
        self.failed(UNKNOWN, route, code)

    def control_answered(self, status: int, code: str | None) -> None:
        """Count an answer of the control plane; the times are those of models, and not told of it."""
        self._add(_REQUESTS, *UNKNOWN, CONTROL_ROUTE, str(status))
        if code is not None:
            self.failed(UNKNOWN, CONTROL_ROUTE, code)

    def resent(self) -> None:
        """Count a request that was sent to its model a second time."""
        self._add(_RESENDS)

    def reloaded(self, result: str) -> None:
        """Count a reload of the configuration."""
        self._add(_RELOADS, result)

    def denied(self, labels: Labels) -> None:
        """Count a request that a limit denied."""
        self._add(_DENIALS, *labels)

    def watch_storage(self) -> Callable[[bool], None]:
        """Show whether the limits' storage serves; return what is to be told of it."""
        at = self.gauge(_STORAGE_UP.name)

        def changed(is_up: bool) -> None:
            self.cells[at] = float(is_up)

        return changed

    def decided_locally(self) -> None:
        """Count a call whose limits the storage did not decide in time."""
        self._add(_DECIDED_LOCALLY)

    def evicted_bucket(self) -> None:
        """Count a bucket of a limit that was dropped before it was full."""
        self._add(_EVICTED)

    def retried(self, labels: Labels) -> None:
        """Count a retry."""
        self._add(_RETRIES, *labels)

    def retry_denied(self, labels: Labels) -> None:
        """Count a retry that the budget did not allow."""
        self._add(_RETRIES_DENIED, *labels)

    def fell_back(self, labels: Labels, to: str) -> None:
        """Count a fallback from an endpoint `to` another."""
        self._add(_FALLBACKS, *labels, to)

    def hedged(self, labels: Labels) -> None:
        """Count a hedge."""
        self._add(_HEDGES, *labels)

    def attempt_failed(self, labels: Labels, code: str) -> None:
        """Count a failed attempt by its code."""
        self._add(_ATTEMPT_ERRORS, *labels, self.code_label(code))

    def shed(self, labels: Labels, reason: str) -> None:
        """Count a request that was not let in."""
        self._add(_SHED, *labels, reason)

    def watch_breakers(self, upstreams: Iterable[Upstream], before: Iterable[Upstream] = ()) -> None:
        """Show the state of upstreams' circuit breakers from now on, each by the name of its upstream.

        Those that were watched `before`, and are no more, count as closed and are not watched any longer.
        """
        new = {id(one.breaker): one for one in upstreams}
        old = {id(one.breaker): one for one in before}
        for key in old.keys() - new.keys():
            self._unwatch_breaker(old[key])
        for key in new.keys() - old.keys():
            self._watch_breaker(new[key])

    def _watch_breaker(self, upstream: Upstream) -> None:
        breaker = upstream.breaker
        if isinstance(breaker, Breaker):
            state = self.gauge(_BREAKER.name, upstream.name)
            self.cells[state] = breaker.state.value
            opened = self.counter(_BREAKER_OPENED.name, upstream.name)
            breaker.on_change.append(partial(self._breaker_changed, state, opened))

    def _unwatch_breaker(self, upstream: Upstream) -> None:
        breaker = upstream.breaker
        if isinstance(breaker, Breaker):
            breaker.on_change.clear()
            self.cells[self.gauge(_BREAKER.name, upstream.name)] = 0

    def _breaker_changed(self, state: int, opened: int, _: State, now: State) -> None:
        self.cells[state] = now.value
        self.cells[opened] += now is State.OPEN

    def first_token(self, labels: Labels, after_s: float) -> None:
        """Measure the wait for a stream's first token."""
        waits = self._first_tokens.get(labels)
        if waits is None:
            first = self._at(_FIRST_TOKEN, *labels)
            waits = self._first_tokens[labels] = Histogram(self.cells, first, LATENCY_BUCKETS_S)
        waits.observe(after_s)

    def used(self, labels: Labels, usage: Usage) -> None:
        """Count the tokens of one answer."""
        tokens = self._tokens.get(labels)
        if tokens is None:
            at = self._at(_TOKENS, *labels, "input"), self._at(_TOKENS, *labels, "output")
            tokens = self._tokens[labels] = TokenCells(self.cells, *at)
        tokens.count(usage.input_tokens, usage.output_tokens)

    def spent(self, endpoint: str, picousd: int) -> None:
        """Count what an answer costs; sums of picoUSD, which are whole numbers, are exact."""
        at = self._costs.get(endpoint)
        if at is None:
            at = self._costs[endpoint] = self._at(_COST, endpoint)
        self.cells[at] += picousd

    def unpriced(self, endpoint: str, reason: str) -> None:
        """Count an answer whose cost is not known."""
        self._add(_UNPRICED, endpoint, reason)

    def unread(self, endpoint: str) -> None:
        """Count an answer that its caller got as it came, and of which we could not read all."""
        self._add(_UNREAD, endpoint)

    def over_budget(self, budget: str) -> None:
        """Count a request that a budget denied."""
        self._add(_OVER_BUDGET, budget)

    def budget_alert(self, budget: str) -> None:
        """Count a budget of which so much is spent that it is told."""
        self._add(_BUDGET_ALERTS, budget)

    def lagged(self, lag_s: float) -> None:
        """Note how late the event loop was; what was worse is forgotten by and by, for who scrapes seldom."""
        self.cells[self._lag] = max(lag_s, self.cells[self._lag] * 0.95)

    def code_label(self, code: str) -> str:
        """Return the code, or `other` when it is not one word or one too many."""
        if not isinstance(code, str):  # a plugin's own error may have anything as its code
            return "other"
        if code not in KNOWN_CODES and code not in self._codes:
            if len(self._codes) >= _MAX_CODES or not _CODE.fullmatch(code):
                return "other"
            self._codes.add(code)
        return code

    @cached_property
    def registry(self) -> CollectorRegistry:
        """What Prometheus' encoders read; imported here, for nothing before the first scrape needs it."""
        from .exposition import registry_of

        return registry_of(self)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type: OpenMetrics, with exemplars, if `accept` asks.

        Raises InvalidAcceptError.
        """
        from .exposition import render

        try:
            return render(self.registry, accept)
        except InvalidAcceptError:
            self.rejected("/metrics", 400, "invalid_header", 0.0)
            raise

    def exemplar(self, key: Key, bucket: int) -> tuple[str, float, float] | None:
        """Return trace id, value and time of a bucket's last exemplar, among those of this process."""
        first = self._file.find(key)
        return None if first is None else self._exemplars.get(first + bucket)

    def predict_calls(self, endpoint: str) -> tuple[int, int]:
        """Return the cells that count an endpoint's calls of `predict`: those that run, and those refused."""
        return self.gauge(_PREDICT_CALLS.name, endpoint), self.counter(_PREDICT_REFUSALS.name, endpoint)

    def gauge(self, name: str, *values: str) -> int:
        """Return the cell of a number that is of this moment: it begins as zero, and ends with its worker."""
        self._gauges.add(name)
        at = self._file.at((name, *values))
        if at not in self._begun:
            self._begun.add(at)
            self.cells[at] = 0
        return at

    def counter(self, name: str, *values: str) -> int:
        """Return the cell of a number that only grows; a worker before this one may have begun it."""
        return self._file.at((name, *values))

    def histogram(self, name: str, bounds: tuple[float, ...], *values: str) -> Histogram:
        """Return a histogram that is no family of Prometheus'; a worker before this one may have begun it."""
        return Histogram(self.cells, self._file.at((name, *values), len(bounds) + 2), bounds)

    def own_rows(self) -> Iterable[tuple[tuple[str, ...], list[float]]]:
        """Yield every key with its numbers, as this worker counted them."""
        for key, numbers in self._file.rows():
            yield tuple(map(str, key)), numbers

    def totals(self) -> dict[Key, list[float]]:
        """Return the numbers of all workers: sums, but of the lag the largest."""
        totals = dict(self._file.rows())
        for lives, key, numbers in self._file.rows_of_others():
            known = totals.get(key)
            if key[0] in self._gauges and not lives:
                continue
            if known is None:
                totals[key] = numbers
            else:
                join = _WORST.get(key[0], float.__add__)
                totals[key] = list(map(join, known, numbers))
        return totals

    def _add(self, family: Family, *values: str, by: int = 1) -> None:
        key = (family.name, *values)
        at = self._counters.get(key)
        if at is None:
            at = self._counters[key] = self._at(family, *values)
        self.cells[at] += by

    def _at(self, family: Family, *values: str) -> int:
        return self._file.at((family.name, *values), family.cells)

    def _counted_at(self, labels: Labels, route: str, status: int) -> AnswerCells:
        who = (*labels, route)
        latency = Histogram(self.cells, self._at(_LATENCY, *who), LATENCY_BUCKETS_S)
        overhead = Histogram(self.cells, self._at(_OVERHEAD, *who), _OVERHEAD_BUCKETS_S)
        requests = self._at(_REQUESTS, *who, str(status))
        return AnswerCells(self.cells, requests, latency, overhead, self._exemplars)
