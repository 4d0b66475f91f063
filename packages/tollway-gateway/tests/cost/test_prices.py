from decimal import ROUND_HALF_UP, Decimal

from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.cost.money import price_of
from tollway.gateway.cost.prices import TIERS, PriceList
from tollway.provider import Usage, UsageDetails

COUNTS = st.integers(min_value=0, max_value=10**9)
USD = st.decimals(min_value=0, max_value=1000, places=6)


def prices(per: int = 10**6, **usd: str | int) -> PriceList:
    each = {"request", "web_search"}
    return PriceList({key: price_of(Decimal(value), 1 if key in each else per) for key, value in usd.items()})


def usd(picousd: int | None) -> Decimal | None:
    return None if picousd is None else Decimal(picousd) / 10**12


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Draw the parts, and make the wholes of them: no part can be larger than its whole."""
    names = (
        *("text", "read", "read_audio", "read_image", "written_5m", "written_1h", "audio", "image"),
        *("said", "thought", "said_audio", "said_image", "searches"),
    )
    n = {name: draw(COUNTS | st.just(0)) for name in names}
    details = UsageDetails(
        cache_write_input_tokens=n["written_5m"] + n["written_1h"],
        cache_write_1h_input_tokens=n["written_1h"],
        audio_input_tokens=n["audio"] + n["read_audio"],
        image_input_tokens=n["image"] + n["read_image"],
        cache_read_audio_input_tokens=n["read_audio"],
        cache_read_image_input_tokens=n["read_image"],
        audio_output_tokens=n["said_audio"],
        image_output_tokens=n["said_image"],
        web_search_requests=n["searches"],
    )
    return Usage(
        sum(n[name] for name in names[:8]),
        sum(n[name] for name in names[8:12]),
        n["read"] + n["read_audio"] + n["read_image"],
        n["thought"],
        None if details == UsageDetails() else details,
    )


def bill(usage: Usage, usd: dict[str, Decimal]) -> Decimal:
    """Add up a bill as a vendor's price page says it, in decimals."""

    def of(*tiers: str) -> Decimal:
        return next((usd[tier] for tier in tiers if tier in usd), Decimal(0))

    def n(name: str) -> int:
        holder = usage if hasattr(usage, name) else usage.details
        return getattr(holder, name, 0) or 0

    plain_read = (
        n("cache_read_input_tokens") - n("cache_read_audio_input_tokens") - n("cache_read_image_input_tokens")
    )
    audio = n("audio_input_tokens") - n("cache_read_audio_input_tokens")
    image = n("image_input_tokens") - n("cache_read_image_input_tokens")
    written_1h = n("cache_write_1h_input_tokens")
    written_5m = n("cache_write_input_tokens") - written_1h
    text = n("input_tokens") - n("cache_read_input_tokens") - n("cache_write_input_tokens") - audio - image
    said = (
        n("output_tokens")
        - n("audio_output_tokens")
        - n("image_output_tokens")
        - n("reasoning_output_tokens")
    )
    tokens = (
        text * of("input")
        + plain_read * of("cached_input", "input")
        + n("cache_read_audio_input_tokens")
        * of("cached_input_audio", "cached_input", "input_audio", "input")
        + n("cache_read_image_input_tokens")
        * of("cached_input_image", "cached_input", "input_image", "input")
        + written_5m * of("cache_write", "input")
        + written_1h * of("cache_write_1h", "cache_write", "input")
        + audio * of("input_audio", "input")
        + image * of("input_image", "input")
        + said * of("output")
        + n("reasoning_output_tokens") * of("reasoning", "output")
        + n("audio_output_tokens") * of("output_audio", "output")
        + n("image_output_tokens") * of("output_image", "output")
    )
    return tokens / 10**6 + of("request") + n("web_search_requests") * of("web_search")


class TestCost:
    @given(usages(), st.dictionaries(st.sampled_from(sorted(TIERS)), USD), USD, USD)
    def test_it_equals_decimal_arithmetic_to_the_last_digit(
        self, usage: Usage, some: dict[str, Decimal], input_usd: Decimal, output_usd: Decimal
    ) -> None:
        """Every tier has its own price, or takes the one that the documentation says."""
        listed = {**some, "input": input_usd, "output": output_usd}
        each = {"request", "web_search"}
        ours = PriceList({k: price_of(v, 1 if k in each else 10**6) for k, v in listed.items()})

        assert bill(usage, listed) == usd(ours.cost_picousd(usage))

    @given(st.integers(0, 10**9), st.decimals(min_value=0, max_value=1000, places=18))
    def test_a_price_with_more_digits_is_rounded_once(self, tokens: int, price: Decimal) -> None:
        ours = prices(input=str(price), output=0).cost_picousd(Usage(tokens, 0))

        assert ours is not None
        exact = (price.scaleb(18).to_integral_exact() * tokens).scaleb(-24) if price else Decimal(0)
        assert int(exact.scaleb(12).quantize(Decimal(1), ROUND_HALF_UP)) == ours

    def test_the_example_of_the_documentation(self) -> None:
        """2,000 tokens read from the cache, 500 written for 5 minutes, 100 for an hour, 400 new; 300 said."""
        anthropic = prices(input=3, output=15, cached_input="0.3", cache_write="3.75", cache_write_1h=6)
        usage = Usage(3000, 300, 2000, details=UsageDetails(600, 100))

        assert Decimal("0.008775") == usd(anthropic.cost_picousd(usage))

    def test_zero_is_a_price_and_none_is_not(self) -> None:
        assert (0, None) == (
            prices(input=0, output=0).cost_picousd(Usage(5, 7)),
            prices(input=1).cost_picousd(Usage(5, 7)),
        )

    def test_an_embedding_has_no_output_to_be_priced(self) -> None:
        listed = prices(input="0.1", output="0.1")

        assert Decimal("0.000001") == usd(prices(input="0.1").cost_picousd(Usage(10), has_output=False))
        assert Decimal("0.000001") == usd(listed.cost_picousd(Usage(10), has_output=False))

    def test_without_usage_only_a_price_per_request_is_known(self) -> None:
        per_request = prices(input=0, output=0, request="0.01")

        assert (Decimal("0.01"), None) == (
            usd(per_request.cost_picousd(None)),
            prices(input=3, output=15).cost_picousd(None),
        )

    def test_half_a_usage_has_no_cost(self) -> None:
        listed = prices(input=3, output=15)

        assert [None, None] == [listed.cost_picousd(Usage(5)), listed.cost_picousd(Usage(None, 5))]

    def test_long_requests_cost_their_own_prices_for_all_tokens(self) -> None:
        listed = PriceList(
            {"input": price_of(Decimal(1), 10**6), "output": price_of(Decimal(2), 10**6)},
            ((1000, prices(input=10, output=20)),),
        )

        assert [Decimal("0.001002"), Decimal("0.01003")] == [
            usd(listed.cost_picousd(Usage(1000, 1))),
            usd(listed.cost_picousd(Usage(1001, 1))),
        ]

    def test_cached_tokens_beyond_the_input_were_counted_beside_it(self) -> None:
        """Some proxies pass Anthropic's counts on under OpenAI's names."""
        listed = prices(input=10, output=0, cached_input=1)

        assert Decimal("0.00012") == usd(listed.cost_picousd(Usage(10, 0, 20)))

    def test_cached_images_that_are_not_told_apart_are_not_counted_twice(self) -> None:
        listed = prices(input=10, output=0, cached_input=1, input_image=5)

        assert Decimal("0.0001") == usd(
            listed.cost_picousd(Usage(100, 0, 100, details=UsageDetails(image_input_tokens=100)))
        )
