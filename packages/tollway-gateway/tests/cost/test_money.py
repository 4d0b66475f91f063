from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.cost.money import amount_of, price_of, price_text, usd_text


@given(st.integers(min_value=0, max_value=10**24))
def test_an_amount_is_written_exactly_and_plainly(picousd: int) -> None:
    """No exponent, no zeros at the end, nothing rounded."""
    text = usd_text(picousd)

    assert Decimal(picousd) / 10**12 == Decimal(text)
    assert "E" not in text.upper()
    assert not ("." in text and text.endswith(("0", ".")))


@given(st.decimals(min_value=0, max_value=10**6, places=18), st.sampled_from([1, 1000, 10**6]))
def test_a_price_with_18_digits_for_a_million_is_exact(usd: Decimal, per: int) -> None:
    price = price_of(usd, per)

    assert usd == Decimal(price_text(price, per))


def test_a_price_that_no_whole_number_says_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 24 digits"):
        price_of(Decimal(1), 3)


def test_half_a_picousd_is_rounded_up() -> None:
    assert [0, 1, 1] == [amount_of(5 * 10**11 - 1), amount_of(5 * 10**11), amount_of(15 * 10**11 - 1)]
