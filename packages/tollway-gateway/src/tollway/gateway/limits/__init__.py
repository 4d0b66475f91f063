"""Token buckets: the rate, the algorithm, and the states it works on. `pipeline/admit.py` asks them."""

from .bucket import Bucket, Decision, Rate, take
from .shared import SharedBucket

__all__ = ["Bucket", "Decision", "Rate", "SharedBucket", "take"]
