"""How many calls an endpoint takes: token buckets, and what callers are told of them."""

from .bucket import Bucket, Decision, Rate, take
from .limiter import Limiter, NoLimit, TokenBucketLimiter, limiter_of
from .shared import SharedBucket

__all__ = [
    "Bucket",
    "Decision",
    "Limiter",
    "NoLimit",
    "Rate",
    "SharedBucket",
    "TokenBucketLimiter",
    "limiter_of",
    "take",
]
