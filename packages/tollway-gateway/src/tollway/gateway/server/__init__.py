"""The process that serves: a socket, Uvicorn, signals, and what is said at the start."""

from .address import AddressError, Listener, is_loopback, listen
from .reload import ConfigSource
from .run import Options, StartError, serve
from .stopping import leave
from .supervisor import serve_by_workers
from .watching import WatchError, check_watching

__all__ = [
    "AddressError",
    "ConfigSource",
    "Listener",
    "Options",
    "StartError",
    "WatchError",
    "check_watching",
    "is_loopback",
    "leave",
    "listen",
    "serve",
    "serve_by_workers",
]
