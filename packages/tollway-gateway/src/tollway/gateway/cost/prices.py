"""A price list and the cost of one usage by it; whole numbers, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tollway.provider import Usage, UsageDetails

from .money import amount_of

TIERS: Mapping[str, str | None] = MappingProxyType(
    {
        "input": None,
        "output": None,
        "cached_input": "input",
        "cache_write": "input",
        "cache_write_1h": "cache_write",
        "reasoning": "output",
        "input_audio": "input",
        "output_audio": "output",
        "input_image": "input",
        "output_image": "output",
        "cached_input_audio": "cached_input",
        "cached_input_image": "cached_input",
        "request": None,
        "web_search": None,
    }
)
"""What has a price of its own, and whose price it has otherwise. `request` and `web_search` are for one, all
others for a token."""

_FREE = frozenset({"request", "web_search"})
"""What costs nothing where it has no price; tokens without one have no known cost."""


class PriceList:
    """The prices of a model, in 10^-24 USD for one token or request, by the keys of `TIERS`.

    `above` are other lists, each for requests with more input tokens than its number, in rising order: they
    hold for all tokens of such a request.
    """

    __slots__ = (
        "_above",
        "_cached_input",
        "_input",
        "_is_simple",
        "_output",
        "_prices",
        "_request",
        "needs_usage",
    )

    def __init__(self, prices: Mapping[str, int], above: tuple[tuple[int, PriceList], ...] = ()) -> None:
        full: dict[str, int | None] = {}
        for tier, otherwise in TIERS.items():
            inherited = None if otherwise is None else full[otherwise]
            full[tier] = prices.get(tier, 0 if tier in _FREE else inherited)
        if "cached_input" not in prices and "cached_input_audio" not in prices:
            full["cached_input_audio"] = full["input_audio"]
        if "cached_input" not in prices and "cached_input_image" not in prices:
            full["cached_input_image"] = full["input_image"]
        self._prices = full
        self._input, self._output = full["input"] or 0, full["output"] or 0
        self._cached_input = full["cached_input"] or 0
        self._is_simple = (
            full["input"] is not None
            and full["output"] is not None
            and full["reasoning"] == full["output"]
            and not above
        )
        """Whether a usage without parts needs two prices only."""
        self._above = above
        self._request = prices.get("request", 0)
        tokens = (price for tier, price in full.items() if tier not in _FREE)
        self.needs_usage = bool(above) or any(price != 0 for price in tokens)
        """Whether a cost is known only with the tokens."""

    def at(self, tier: str) -> int | None:
        """Return the price of a tier, its own or the one that it takes; None when it has none."""
        return self._prices[tier]

    @property
    def above(self) -> tuple[tuple[int, PriceList], ...]:
        """The lists of long requests."""
        return self._above

    def cost_picousd(self, usage: Usage | None, *, has_output: bool = True) -> int | None:
        """Return what a usage costs; None when it says too little, or something in it has no price.

        Embeddings have no output (`has_output`), and their usage does not say so.
        """
        if usage is None:
            return None if self.needs_usage else amount_of(self._request)
        inputs, outputs = usage.input_tokens, usage.output_tokens
        if inputs is None or outputs is None or usage.details is not None or not self._is_simple:
            return self._by_tiers(usage, has_output)
        total = inputs * self._input + outputs * self._output + self._request
        if read := usage.cache_read_input_tokens:
            # What is more than the whole input was counted beside it.
            total += read * (self._cached_input - self._input if read <= inputs else self._cached_input)
        return amount_of(total)

    def estimate_picousd(self, inputs: int, outputs: int) -> int:
        """Return what so many tokens cost at the plain prices; those without a price cost nothing."""
        return amount_of(inputs * self._input + outputs * self._output + self._request)

    def _by_tiers(self, usage: Usage, has_output: bool) -> int | None:
        if not self.needs_usage and usage.input_tokens is None:
            return amount_of(self._request)
        inputs = usage.input_tokens
        if inputs is None or (usage.output_tokens is None and has_output):
            return None
        prices = self._prices
        for start, others in self._above:
            if inputs > start:
                prices = others._prices
        details = usage.details or _NO_DETAILS
        total = (prices["request"] or 0) + (details.web_search_requests or 0) * (prices["web_search"] or 0)
        read = usage.cache_read_input_tokens or 0
        for tier, count in (*_input_parts(details, inputs, read), *_output_parts(usage, details, prices)):
            if count:
                price = prices[tier]
                if price is None:
                    return None
                total += count * price
        return amount_of(total)


_NO_DETAILS = UsageDetails()


def _input_parts(details: UsageDetails, inputs: int, read: int) -> tuple[tuple[str, int], ...]:
    """Split the input tokens into parts, each with a tier; together they are all of them.

    Where a service does not say which cached tokens are audio or images, they count as text as far as there
    is text. Cached tokens beyond the whole input were counted beside it.
    """
    written = details.cache_write_input_tokens or 0
    for_1h = min(details.cache_write_1h_input_tokens or 0, written)
    audio, image = details.audio_input_tokens or 0, details.image_input_tokens or 0
    read_audio = min(details.cache_read_audio_input_tokens or 0, audio, read)
    read_image = min(details.cache_read_image_input_tokens or 0, image, read - read_audio)
    audio, image = audio - read_audio, image - read_image
    text = inputs - read - written - audio - image
    if text < 0 and (audio or image):
        fewer = min(image, -text)
        image, text = image - fewer, text + fewer
        fewer = min(audio, -text)
        audio, text = audio - fewer, text + fewer
    if text < 0:
        text = inputs
    return (
        ("input", text),
        ("cached_input", read - read_audio - read_image),
        ("cached_input_audio", read_audio),
        ("cached_input_image", read_image),
        ("cache_write", written - for_1h),
        ("cache_write_1h", for_1h),
        ("input_audio", audio),
        ("input_image", image),
    )


def _output_parts(
    usage: Usage, details: UsageDetails, prices: Mapping[str, int | None]
) -> tuple[tuple[str, int], ...]:
    """Split the output tokens into parts, as `_input_parts` does; reasoning only where its price differs."""
    outputs = usage.output_tokens or 0
    audio = min(details.audio_output_tokens or 0, outputs)
    image = min(details.image_output_tokens or 0, outputs - audio)
    text = outputs - audio - image
    reasoning = (
        0 if prices["reasoning"] == prices["output"] else min(usage.reasoning_output_tokens or 0, text)
    )
    return (
        ("output", text - reasoning),
        ("reasoning", reasoning),
        ("output_audio", audio),
        ("output_image", image),
    )
