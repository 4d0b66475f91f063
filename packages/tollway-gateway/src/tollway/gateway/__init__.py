"""The Tollway gateway: one HTTP entrance to many models."""

from . import _abi as _abi  # first: where it refuses, other imports fail too
