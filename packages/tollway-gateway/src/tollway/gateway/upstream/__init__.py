"""HTTP to the models' services."""

from ._http1 import HTTP1Client
from .client import UpstreamClient, UpstreamStream

__all__ = ["HTTP1Client", "UpstreamClient", "UpstreamStream"]
