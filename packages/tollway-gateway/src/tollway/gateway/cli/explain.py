"""What `tollway gateway explain` prints: the way of a request, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tollway.gateway.config.values import (
    BudgetConfig,
    EndpointConfig,
    GatewayConfig,
    LimitConfig,
    RouteConfig,
)
from tollway.gateway.cost import PriceList, usd_text
from tollway.gateway.resilience.candidates import fallback_chain

from .prices import price_lists, price_words

_ORDER = {
    "TRAFFIC_SPLIT": "one destination by its share",
    "FALLBACK": "the destinations in their order, those with an open circuit breaker last",
    "LEAST_BUSY": "the destination with the fewest requests in flight",
    "LATENCY": "the faster of two destinations drawn at random",
    "STICKY": "the destination that has the conversation, while it is healthy",
}

_RECOVERY = {
    "error": "the stream ends with an error event",
    "continue": "a fallback that takes a prefill continues from the text so far, else an error event",
    "buffer": "the caller sees finished answers only; a broken one is retried",
}


def explain(config: GatewayConfig, name: str) -> Iterator[str]:
    """Return the lines about an endpoint or a route. Raises KeyError when there is neither by that name."""
    endpoints = {one.name: one for one in config.endpoints}
    route = next((one for one in config.routes if one.name == name), None)
    if route is None and name not in endpoints:
        raise KeyError(name)
    return _lines(config, endpoints, name, route)


def _lines(
    config: GatewayConfig, endpoints: dict[str, EndpointConfig], name: str, route: RouteConfig | None
) -> Iterator[str]:
    if route is None:
        yield f"{name}: endpoint, {endpoints[name].endpoint_type}"
        first = [name]
    else:
        yield f"{name}: route, {route.task_type}"
        yield f"  strategy: {route.routing_strategy}, {_ORDER[route.routing_strategy]}"
        yield from _limits(route.limits, "  ")
        yield from _budgets(route.budgets, "  ")
        first = [one.name for one in route.destinations]
    yield f"  paths: /endpoints/{name}/invocations, /gateway/{name}/invocations, /v1/* with model {name!r}"
    tls = config.server.tls
    yield f"  served over: {'http' if tls is None else f'https, by the certificate {tls.certificate}'}"
    yield "candidates:"
    fallbacks = {one.name: one.fallback for one in config.endpoints}
    shares = {} if route is None else {one.name: one.traffic_percentage for one in route.destinations}
    after = dict.fromkeys(other for one in first for other in fallback_chain(one, fallbacks))
    prices = price_lists(endpoints[one] for one in dict.fromkeys((*first, *after)))
    for one in first:
        share = shares.get(one)
        role = "" if share is None else f", {share:g} % of the traffic"
        yield from _endpoint(endpoints[one], role, prices[one])
    for one in after:
        if one not in first:
            yield from _endpoint(endpoints[one], ", fallback", prices[one])


def _endpoint(config: EndpointConfig, role: str, prices: PriceList | None) -> Iterator[str]:
    model, timeout = config.model, config.timeout
    yield f"  {config.name} ({model.provider}, {model.name}){role}"
    yield from _limits(config.limits, "    ")
    yield (
        f"    timeout: connect {timeout.connect_s:g} s, first token {timeout.first_token_s:g} s, "
        f"idle {timeout.idle_s:g} s, total {timeout.total_s:g} s for all attempts"
    )
    yield f"    price: {price_words(config, prices)}"
    yield from _budgets(config.budgets, "    ")
    yield f"    retry: {_retry(config)}"
    yield f"    hedge: {_hedge(config)}"
    yield f"    circuit breaker: {_breaker(config)}"
    yield f"    concurrency: {_concurrency(config)}"
    yield f"    a stream that breaks: {_RECOVERY[config.stream_recovery]}"
    if config.unsupported == "drop":
        yield "    fields that it has no word for: dropped, and named in x-tollway-dropped"


def _limits(limits: Iterable[LimitConfig], indent: str) -> Iterator[str]:
    told = [line for limit in limits for line in _limit(limit)]
    for line in told or ["none"]:
        yield f"{indent}limit: {line}"


def _budgets(budgets: Iterable[BudgetConfig], indent: str) -> Iterator[str]:
    for budget in budgets:
        alert = "" if budget.alert_at is None else f", alert at {budget.alert_at:.0%}"
        amount = usd_text(budget.amount_picousd)
        yield f"{indent}budget: {amount} USD a {budget.period} ({budget.timezone}){alert}"


def _limit(limit: LimitConfig) -> Iterator[str]:
    whose = "" if limit.key == "endpoint" else f", for each {limit.key}"
    if limit.calls is not None:
        burst = limit.burst or limit.calls
        yield f"{limit.calls} calls in {limit.renewal_period_s:g} s, burst {burst}{whose}"
    if limit.tokens is not None:
        yield f"{limit.tokens} tokens in {limit.renewal_period_s:g} s{whose}"


def _retry(config: EndpointConfig) -> str:
    retry = config.retry
    if retry is None or retry.attempts == 1:
        return "none"
    return (
        f"{retry.attempts} attempts, backoff {retry.backoff_s:g} s to {retry.max_backoff_s:g} s, "
        f"at most {retry.budget:.0%} of the upstream's requests"
    )


def _hedge(config: EndpointConfig) -> str:
    hedge = config.hedge
    if hedge is None:
        return "none"
    after = f"p{hedge.after_quantile * 100:g}" if hedge.after_quantile is not None else f"{hedge.after_s:g} s"
    return f"after {after}, at most {hedge.budget:.0%} of the endpoint's requests"


def _breaker(config: EndpointConfig) -> str:
    breaker = config.breaker
    if breaker is None:
        return "none"
    then = (
        "goes to other candidates" if breaker.when_open == "divert" else "goes to other candidates, else 503"
    )
    return (
        f"opens after {breaker.consecutive_failures} failures in a row or {breaker.failure_rate:.0%} of "
        f"{breaker.min_requests} and more in {breaker.window_s:g} s, for {breaker.open_for_s:g} s to "
        f"{breaker.max_open_for_s:g} s; traffic then {then}"
    )


def _concurrency(config: EndpointConfig) -> str:
    bound = config.concurrency
    if bound is None:
        return "not bounded"
    return (
        f"{bound.max_in_flight} in flight, {bound.max_queue} waiting for at most {bound.max_wait_s:g} s, "
        "beyond that 503"
    )
