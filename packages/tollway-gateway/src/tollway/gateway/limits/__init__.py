"""Token buckets: the rate, the algorithm, and the states it works on. `pipeline/admit.py` asks them."""

from .bucket import Claim, Decision, LimitStore
from .local import LocalStore
from .rate import Rate
from .redis_client import address_of
from .shared import SharedStore

__all__ = ["Claim", "Decision", "LimitStore", "LocalStore", "Rate", "SharedStore", "address_of"]
