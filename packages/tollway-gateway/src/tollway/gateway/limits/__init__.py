"""How many calls an endpoint takes: token buckets, and what callers are told of them."""

from .bucket import Bucket, Decision, Rate, take
from .headers import limit_headers
from .limiter import Limiter, NoLimit, TokenBucketLimiter, limiter_of

__all__ = [
    "Bucket",
    "Decision",
    "Limiter",
    "NoLimit",
    "Rate",
    "TokenBucketLimiter",
    "limit_headers",
    "limiter_of",
    "take",
]
