"""What a call costs, in whole numbers: prices by tier, from the configuration or from genai-prices.

An amount of money is an int of picoUSD (10^-12 USD), a price an int of 10^-24 USD for one token or request.
"""

from .catalogue import Catalogue
from .money import PICOUSD, usd_text
from .prices import TIERS, PriceList
from .pricing import Pricing, Unpriced, pricing_of

__all__ = [
    "PICOUSD",
    "TIERS",
    "Catalogue",
    "PriceList",
    "Pricing",
    "Unpriced",
    "pricing_of",
    "usd_text",
]
