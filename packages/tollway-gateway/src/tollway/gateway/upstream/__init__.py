"""HTTP to the models' services."""

from ._http1 import HTTP1Client
from ._limits import MAX_ANSWER_BYTES, MAX_ERROR_BYTES, too_large
from ._pools import Pools
from ._proxies import ProxyError, check_proxy, names_proxy
from .client import Upload, UpstreamClient, UpstreamStream

__all__ = [
    "MAX_ANSWER_BYTES",
    "MAX_ERROR_BYTES",
    "HTTP1Client",
    "Pools",
    "ProxyError",
    "Upload",
    "UpstreamClient",
    "UpstreamStream",
    "check_proxy",
    "names_proxy",
    "too_large",
]
