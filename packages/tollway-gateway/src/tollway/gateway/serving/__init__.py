"""What lives as long as the process serves."""

from .lifetime import TRACER_NAME, Lifetime

__all__ = ["TRACER_NAME", "Lifetime"]
