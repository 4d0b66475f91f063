"""Amounts and prices as whole numbers, and as decimal text; only `amount_of` rounds, the last digit."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

PICOUSD = 10**12
"""picoUSD in a dollar. The cheapest price listed today is a hundred of them for a token."""

PRICE_DIGITS = 24
"""Digits after the point that a price has: 18 for a million tokens, as many as a list price ever had."""

_PRICES_PER_PICOUSD: int = 10 ** (PRICE_DIGITS - 12)


def price_of(usd: Decimal, per: int = 1) -> int:
    """Return USD for `per` tokens as a price of one, in 10^-24 USD. Raises ValueError if it is not exact."""
    numerator, denominator = usd.as_integer_ratio()
    price: int
    price, rest = divmod(numerator * 10**PRICE_DIGITS, denominator * per)
    if rest:
        raise ValueError(f"{usd} for {per} has more than {PRICE_DIGITS} digits for one")
    return price


def amount_of(total: int) -> int:
    """Return what was computed with prices in picoUSD; half of one is rounded up."""
    return (total + _PRICES_PER_PICOUSD // 2) // _PRICES_PER_PICOUSD


def usd_text(picousd: int) -> str:
    """Write an amount as plain decimal USD, exactly: `0.00275`, never `2.75e-3`."""
    return _plain(picousd, 12)


def price_text(price: int, per: int = 1_000_000) -> str:
    """Write a price of one as plain decimal USD for `per`, exactly."""
    return _plain(price * per, PRICE_DIGITS)


def _plain(number: int, digits: int) -> str:
    text = str(number).zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")
