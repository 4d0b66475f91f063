"""Configurations of other gateways, read and written as ours."""

from .litellm import from_litellm
from .tensorzero import from_tensorzero
from .written import Imported, UnreadableConfigError

__all__ = ["Imported", "UnreadableConfigError", "from_litellm", "from_tensorzero"]
