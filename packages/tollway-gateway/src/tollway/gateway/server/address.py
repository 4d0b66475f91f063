"""Where the gateway listens."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

_REASONS = {
    errno.EADDRINUSE: "is in use: end what listens there, or choose another port with --port",
    errno.EACCES: "needs rights that this user has not: choose a port above 1023 with --port",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
}

SPREADS = sys.platform == "linux"
"""Whether the kernel spreads connections over several sockets of one address."""


class AddressError(Exception):
    """An address that cannot be listened on; says why, and how to fix it."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket, and the URL at which a client on this machine reaches it."""

    socket: socket.socket
    url: str


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a host's address."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def listen(host: str, port: int, scheme: str = "http") -> Listener:
    """Bind a socket; it takes connections when the server starts. Port 0 chooses one that is free.

    Raises AddressError.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise AddressError(f"there is no host called {host!r}") from None
    bound = socket.socket(family, kind)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise refused(host, port, error) from None
    bound.setblocking(False)
    return Listener(bound, _url(scheme, *bound.getsockname()[:2]))


@contextmanager
def spread(listener: Listener, count: int) -> Iterator[list[socket.socket]]:
    """Give a socket for each of `count` processes that serve the same address, in place of the listener's.

    On Linux each has a queue of its own, over which the kernel spreads connections evenly (SO_REUSEPORT).
    Elsewhere that option does not spread, and all get the same socket. Raises AddressError.
    """
    with ExitStack() as stack:
        stack.enter_context(listener.socket)
        if not SPREADS:
            yield [listener.socket] * count
            return
        address = listener.socket.getsockname()
        try:
            stack.enter_context(_claim(address))
            # Only now: with it from the start, another gateway's port would be no port in use.
            listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sockets = [stack.enter_context(_another(listener.socket)) for _ in range(count)]
        except OSError as error:
            raise refused(address[0], address[1], error) from None
        listener.socket.close()
        yield sockets


def stop_listening(bound: socket.socket) -> None:
    """Take no more connections on a socket until it is listened on again; those in its queue are reset.

    A socket that does not listen is left alone: shut down, all that it ever accepted later would be at EOF.
    """
    with suppress(OSError):
        if bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            bound.shutdown(socket.SHUT_RD)


def _claim(address: tuple[Any, ...]) -> socket.socket:
    """Bind a name for as long as this is open: the port alone does not tell apart two gateways that start."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0tollway {address[0]} {address[1]}".encode())
    except OSError:
        claim.close()
        raise
    return claim


def _another(first: socket.socket) -> socket.socket:
    """Return a socket more of the same address."""
    bound = socket.socket(first.family, first.type)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(first.getsockname())
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def refused(host: str, port: int, error: OSError) -> AddressError:
    """Return what is said of an address that the system does not give."""
    reason = _REASONS.get(error.errno or 0, f"cannot be listened on: {os.strerror(error.errno or 0)}")
    return AddressError(f"{_at(host.strip('[]'), port)} {reason}")


def _url(scheme: str, host: str, port: int) -> str:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{scheme}://{_at(reachable, port)}"


def _at(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
