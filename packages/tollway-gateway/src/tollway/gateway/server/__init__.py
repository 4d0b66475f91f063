"""The process that serves: a socket, Uvicorn, signals, and what is said at the start."""

from .address import AddressError, Listener, is_loopback, listen
from .run import StartError, serve
from .stopping import leave
from .workers import serve_by_workers

__all__ = [
    "AddressError",
    "Listener",
    "StartError",
    "is_loopback",
    "leave",
    "listen",
    "serve",
    "serve_by_workers",
]
