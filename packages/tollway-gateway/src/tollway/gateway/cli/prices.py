"""The prices of a configuration's endpoints, in words: for `explain` and `check`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from tollway.gateway.config.values import EndpointConfig, GatewayConfig
from tollway.gateway.cost import TIERS, Catalogue, PriceList
from tollway.gateway.cost.money import price_text
from tollway.gateway.pipeline.wiring import pricing_for, provider_of

_EACH = {"request": "a request", "web_search": "a web search"}


def price_lists(endpoints: Iterable[EndpointConfig]) -> Mapping[str, PriceList | None]:
    """Return the prices of endpoints by their names; None where there are none."""
    catalogue = Catalogue()
    pricings = {one.name: pricing_for(one, provider_of(one), catalogue, time.time) for one in endpoints}
    if not all(pricing.is_ready for pricing in pricings.values()):
        catalogue.load_now()
    return {name: pricing.prices() for name, pricing in pricings.items()}


def unpriced(config: GatewayConfig) -> list[str]:
    """Return the endpoints that a budget covers and whose answers have no known price."""
    auth = config.auth
    covered = {one.name for one in config.endpoints if one.budgets}
    covered |= {to.name for route in config.routes if route.budgets for to in route.destinations}
    if auth.budgets or any(key.budgets for key in auth.keys):
        covered = {one.name for one in config.endpoints}
    lists = price_lists(one for one in config.endpoints if one.name in covered)
    return [name for name, prices in lists.items() if prices is None]


def price_words(config: EndpointConfig, prices: PriceList | None) -> str:
    """Return what an endpoint's answers cost."""
    if prices is None:
        return "not known: answers have no cost; add price"
    source = "genai-prices" if config.price is None else "of the configuration"
    words = f"{_words(prices)} ({source})"
    for start, others in prices.above:
        words += f"; above {start} tokens of input: {_words(others)}"
    return words


def _words(prices: PriceList) -> str:
    """Name the prices that are not another tier's."""
    tokens, each = [], []
    for tier, otherwise in TIERS.items():
        price = prices.at(tier)
        if price is None or price == (0 if otherwise is None and tier in _EACH else _at(prices, otherwise)):
            continue
        if tier in _EACH:
            each.append(f"{price_text(price, 1)} USD {_EACH[tier]}")
        else:
            tokens.append(f"{tier.replace('_', ' ')} {price_text(price)}")
    return ", ".join([f"{', '.join(tokens)} USD for 1M tokens"] * bool(tokens) + each)


def _at(prices: PriceList, tier: str | None) -> int | None:
    return None if tier is None else prices.at(tier)
