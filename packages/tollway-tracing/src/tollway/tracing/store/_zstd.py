"""Zstandard: the standard library's from Python 3.14, a wheel of the same interface before."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any


class MissingZstdError(RuntimeError):
    """What sealed days need is not installed; the message has the command."""


@lru_cache(maxsize=1)
def zstd() -> Any:
    """Return the module. Raises MissingZstdError."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd as module
        else:
            from backports import zstd as module
    except ImportError:
        raise MissingZstdError(
            "sealed days need zstd, which is not installed: pip install 'tollway-tracing[seal]'"
        ) from None
    return module
