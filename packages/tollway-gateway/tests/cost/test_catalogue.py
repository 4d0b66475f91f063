"""Our reading of genai-prices against its own, over all that it lists."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot

from tollway.gateway.cost import Catalogue, Unpriced
from tollway.gateway.cost._genai_data import providers
from tollway.gateway.cost.catalogue import Vendor
from tollway.gateway.cost.pricing import ListPrices
from tollway.provider import AnswerInfo, Usage, UsageDetails

NOW_S = datetime(2026, 11, 30, 3, 15, tzinfo=UTC).timestamp()


def used(tier: str | None = None) -> Usage:
    return Usage(
        260_000, 9_000, 70_000, None, UsageDetails(50_000, 20_000, web_search_requests=3, service_tier=tier)
    )


THEIRS = {
    "input_tokens": 260_000,
    "output_tokens": 9_000,
    "cache_read_tokens": 70_000,
    "cache_write_tokens": 50_000,
    "cache_write_5m_tokens": 30_000,
    "cache_write_1h_tokens": 20_000,
    "web_searches": 3,
}


@pytest.fixture(scope="module")
def ours() -> list[Any]:
    return providers()


def models() -> Iterator[tuple[str, str, Any]]:
    """Give every model that is found by its own name and sells tokens, with what is found."""
    listed = data_snapshot.get_snapshot().providers
    for provider in listed:
        for model in provider.models:
            found = provider.find_model(model.id, all_providers=listed)
            known = {} if found is None else vars(found.get_prices(datetime.fromtimestamp(NOW_S, UTC)))
            if {"input_mtok", "output_mtok"} <= {key for key, value in known.items() if value is not None}:
                yield provider.id, model.id, found


def theirs(provider: str, model: str, tier: str | None = None) -> Decimal:
    usage = genai_prices.Usage(**{k: v for k, v in THEIRS.items() if k in USAGE_KEYS})
    context = {"service_tier": tier or ""} | ({"processing": "batch"} if tier == "batch" else {})
    now = datetime.fromtimestamp(NOW_S, UTC)
    return genai_prices.calc_price(
        usage, model, provider_id=provider, genai_request_timestamp=now, price_context=context
    ).total_price


USAGE_KEYS = frozenset(genai_prices.Usage(**THEIRS).__dict__)


def cost(listed: list[Any], provider: str, model: str, tier: str | None = None) -> int | Unpriced:
    catalogue = Catalogue(lambda: listed)
    vendor = catalogue.vendor([provider], None)
    catalogue.load_now()
    return ListPrices(catalogue, vendor, model, lambda: NOW_S).cost(AnswerInfo(model=model, usage=used(tier)))


def test_every_model_costs_what_genai_prices_says(ours: list[Any]) -> None:
    """All models, tiers of long requests and times of day included; half a picoUSD apart at most."""
    compared = 0
    for provider, model, _ in models():
        compared += 1
        got = cost(ours, provider, model)
        assert isinstance(got, int), (provider, model)
        assert abs(theirs(provider, model) * 10**12 - got) <= Decimal("0.5"), (provider, model)
    assert compared > 1000


@pytest.mark.parametrize("tier", ["batch", "flex", "priority"])
def test_a_service_tier_has_its_own_prices(ours: list[Any], tier: str) -> None:
    compared = 0
    for provider, model, found in models():
        if found.price_variants:
            compared += 1
            got = cost(ours, provider, model, tier)
            assert isinstance(got, int), (provider, model)
            assert abs(theirs(provider, model, tier) * 10**12 - got) <= Decimal("0.5"), (provider, model)
    assert compared > 10


@pytest.mark.parametrize(
    ("names", "url", "expected"),
    [
        (["openai"], None, "openai"),
        (["openai"], "http://127.0.0.1:8001/v1", "openai"),
        (["openai"], "https://api.deepseek.com/v1", "deepseek"),
        (["openai"], "https://openrouter.ai/api/v1", "openrouter"),
        (["openai"], "https://example.openai.azure.com", "azure"),
        (["azure.ai.openai"], None, "openai"),
        (["gcp.gemini"], None, "google"),
        (["aws.bedrock"], None, "aws"),
        (["x_ai"], None, "x-ai"),
        (["mistral_ai"], None, "mistral"),
        (["a-plugin"], None, None),
    ],
)
def test_a_vendor_is_known_by_the_address_else_by_the_name(
    ours: list[Any], names: list[str], url: str | None, expected: str | None
) -> None:
    vendor = Vendor(names, url)
    vendor.take(ours)

    assert expected == vendor.id


@pytest.mark.parametrize(
    ("answered", "is_known"),
    [
        ("gpt-4o-2024-11-20", True),
        ("gpt-4o-2031-01-01", True),
        ("gpt-4o-20310101", True),
        ("gpt-4o-mini", True),
        ("gpt-4o-something-else", False),
        ("another-model", False),
    ],
)
def test_the_model_that_answered_counts_and_a_new_version_is_the_model_asked_for(
    ours: list[Any], answered: str, is_known: bool
) -> None:
    vendor = Vendor(["openai"], None)
    vendor.take(ours)

    assert is_known == (vendor.prices(answered, "gpt-4o", None, NOW_S) is not None)


def test_prices_hold_until_the_next_change(ours: list[Any]) -> None:
    """DeepSeek has prices by the time of day: from 0:30 to 16:30 UTC, for example."""
    vendor = Vendor(["deepseek"], None)
    vendor.take(ours)

    before = datetime(2025, 3, 1, 0, 29, tzinfo=UTC).timestamp()
    first = vendor.prices("deepseek-chat", "deepseek-chat", None, before)
    second = vendor.prices("deepseek-chat", "deepseek-chat", None, before + 60)

    assert first is not None
    assert second is not None
    assert before + 60 == first.until_s
    assert datetime(2025, 3, 1, 16, 30, tzinfo=UTC).timestamp() == second.until_s
    assert first.prices.at("input") != second.prices.at("input")


def test_without_price_lists_every_cost_is_unknown() -> None:
    def missing() -> list[Any]:
        raise ImportError("no genai-prices")

    catalogue = Catalogue(missing)
    pricing = ListPrices(catalogue, catalogue.vendor(["openai"], None), "gpt-4o", lambda: NOW_S)
    catalogue.load_now()

    assert Unpriced.NO_PRICE is pricing.cost(AnswerInfo(model="gpt-4o", usage=used()))


def test_what_a_vendor_says_that_it_charges_is_the_cost(ours: list[Any]) -> None:
    """OpenRouter tells its charge in USD; of another service the unit is not known."""
    usage = Usage(1, 1, details=UsageDetails(billed_picousd=42))
    catalogue = Catalogue(lambda: ours)
    vendors = [catalogue.vendor([name], None) for name in ("openrouter", "openai")]
    catalogue.load_now()

    costs = [
        ListPrices(catalogue, vendor, "gpt-4o", lambda: NOW_S).cost(AnswerInfo(model="gpt-4o", usage=usage))
        for vendor in vendors
    ]

    assert [42, 12_500_000] == costs


def test_a_name_without_end_is_no_model(ours: list[Any]) -> None:
    """An upstream may answer with any name: a very long one is neither searched for nor remembered."""
    catalogue = Catalogue(lambda: ours)
    pricing = ListPrices(catalogue, catalogue.vendor(["openai"], None), "gpt-4o", lambda: NOW_S)
    catalogue.load_now()
    name = "gpt-4o-2024-11-20" + "x" * 300
    assert Unpriced.NO_PRICE is pricing.cost(AnswerInfo(model=name, usage=used()))
    assert not pricing._lists
