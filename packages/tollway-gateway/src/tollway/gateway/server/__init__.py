"""The process that serves: a socket, Uvicorn, signals, and what is said at the start."""

from .address import AddressError, Listener, is_loopback, listen
from .run import StartError, serve

__all__ = ["AddressError", "Listener", "StartError", "is_loopback", "listen", "serve"]
