"""The process that serves: a socket, Uvicorn, signals, and what is said at the start."""

from .address import AddressError, Listener, listen
from .exposure import objection
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
    "leave",
    "listen",
    "objection",
    "serve",
    "serve_by_workers",
]
