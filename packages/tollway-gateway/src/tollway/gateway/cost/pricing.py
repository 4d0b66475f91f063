"""What an answer of an endpoint costs: by its own price, else by the list of the model that answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

from tollway.provider import AnswerInfo, Usage

from .catalogue import Catalogue, Dated, Vendor
from .prices import PriceList

_MAX_LISTS = 256
"""Models of one endpoint that are remembered: an upstream may answer with any name."""

_MAX_NAME = 256
"""Characters of a model's name: there is no list for longer ones, and no memory either."""

_BILLS = frozenset({"openrouter", "x-ai"})
"""Vendors whose answers tell what they charge, in a unit that is documented."""


class Unpriced(StrEnum):
    """Why a cost is not known."""

    NO_PRICE = "no_price"
    """No price for the model, or none for a part of the usage."""

    NO_USAGE = "no_usage"
    """The model's service did not say how many tokens there were."""


class Pricing(Protocol):
    """Prices the answers of one endpoint."""

    is_ready: bool
    """Whether prices are known; else `prepare` is to be awaited first."""

    def begin(self) -> None:
        """Begin to load the prices; a call that needs them meanwhile waits in `prepare`."""

    async def prepare(self) -> None:
        """Load the prices."""

    def cost(self, info: AnswerInfo) -> int | Unpriced:
        """Return what an answer costs, in picoUSD."""

    def prices(self, model: str | None = None) -> PriceList | None:
        """Return the prices of a model (None: of the one that is configured); None when there are none."""


class OwnPrices:
    """The prices of the configuration, whatever model answers."""

    is_ready = True

    def __init__(self, prices: PriceList, *, has_output: bool = True) -> None:
        self._prices = prices
        self._has_output = has_output

    def begin(self) -> None:
        """See `Pricing.begin`."""

    async def prepare(self) -> None:
        """See `Pricing.prepare`."""

    def cost(self, info: AnswerInfo) -> int | Unpriced:
        """See `Pricing.cost`."""
        cost = self._prices.cost_picousd(info.usage, has_output=self._has_output)
        return _unknown(info.usage, self._has_output) if cost is None else cost

    def prices(self, model: str | None = None) -> PriceList:
        """See `Pricing.prices`."""
        return self._prices


class NoPrices:
    """Of models that nobody sells."""

    is_ready = True

    def begin(self) -> None:
        """See `Pricing.begin`."""

    async def prepare(self) -> None:
        """See `Pricing.prepare`."""

    def cost(self, info: AnswerInfo) -> Unpriced:
        """See `Pricing.cost`."""
        return Unpriced.NO_PRICE

    def prices(self, model: str | None = None) -> None:
        """See `Pricing.prices`."""


class ListPrices:
    """The prices that a vendor lists for the model that answered, resolved once for each of its names.

    `now_s` is Unix time in seconds: prices change by date, and some by the time of day.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        vendor: Vendor,
        model: str,
        now_s: Callable[[], float],
        *,
        has_output: bool = True,
    ) -> None:
        self._has_output = has_output
        self._catalogue = catalogue
        self._vendor = vendor
        self._model = model
        self._now_s = now_s
        self._lists: dict[str | tuple[str | None, str] | None, Dated | None] = {}
        self.is_ready = catalogue.is_loaded

    def begin(self) -> None:
        """See `Pricing.begin`."""
        self._catalogue.begin()

    async def prepare(self) -> None:
        """See `Pricing.prepare`."""
        await self._catalogue.load()
        self.is_ready = True

    def cost(self, info: AnswerInfo) -> int | Unpriced:
        """See `Pricing.cost`."""
        usage, tier = info.usage, None
        if usage is not None and (details := usage.details) is not None:
            if details.billed_picousd is not None and self._vendor.id in _BILLS:
                return details.billed_picousd
            tier = details.service_tier
        dated = self._dated(info.model, tier)
        if dated is None:
            return Unpriced.NO_PRICE
        cost = dated.prices.cost_picousd(usage, has_output=self._has_output)
        return _unknown(usage, self._has_output) if cost is None else cost

    def prices(self, model: str | None = None) -> PriceList | None:
        """See `Pricing.prices`."""
        dated = self._dated(model, None)
        return None if dated is None else dated.prices

    def _dated(self, model: str | None, tier: str | None) -> Dated | None:
        key = model if tier is None else (model, tier)
        found = self._lists.get(key, _MISSING)
        if found is None or found.until_s > self._now_s():
            return found
        if len(model or "") > _MAX_NAME or len(tier or "") > _MAX_NAME or not self._catalogue.is_loaded:
            return None
        if len(self._lists) >= _MAX_LISTS:
            self._lists.clear()
        found = self._vendor.prices(model or self._model, self._model, tier, self._now_s())
        self._lists[key] = found
        return found


_MISSING = Dated(PriceList({}), -math.inf)


def pricing_of(
    own: PriceList | None,
    vendor: tuple[Iterable[str], str | None] | None,
    model: str,
    catalogue: Catalogue,
    now_s: Callable[[], float],
    *,
    has_output: bool,
) -> Pricing:
    """Return the pricing of an endpoint: its `own` prices, else those that its vendor lists.

    The `vendor` is known by names and a URL; None for a model that nobody sells. Embeddings have no output.
    """
    if own is not None:
        return OwnPrices(own, has_output=has_output)
    if vendor is None:
        return NoPrices()
    return ListPrices(catalogue, catalogue.vendor(*vendor), model, now_s, has_output=has_output)


def _unknown(usage: Usage | None, has_output: bool) -> Unpriced:
    """Say why a list gives no cost for a usage."""
    if usage is None or usage.input_tokens is None or (usage.output_tokens is None and has_output):
        return Unpriced.NO_USAGE
    return Unpriced.NO_PRICE
