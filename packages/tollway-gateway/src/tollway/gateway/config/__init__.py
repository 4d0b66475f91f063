"""The gateway's configuration: frozen values, and the one way to read them from a file."""

from .load import load
from .problems import ConfigError, Problem
from .values import GatewayConfig

__all__ = ["ConfigError", "GatewayConfig", "Problem", "load"]
