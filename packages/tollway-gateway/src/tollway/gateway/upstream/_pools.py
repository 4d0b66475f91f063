"""The pools of a process, by origin: clients share them, and a pool lasts as long as a client uses it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from time import perf_counter

from ._pool import MAX_OPEN, Pool
from ._proxies import proxy_of
from ._request import Origin


class Pools:
    """Makes a pool for each origin; proxies are read from `environ` once for each.

    `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_OPEN,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._environ = environ
        self.tls = (lambda: tls) if tls is not None else cache(_default_tls)
        self._max_connections = max_connections
        self.clock = clock
        self._pools: dict[Origin, Pool] = {}
        self._clients: dict[Origin, int] = {}

    def take(self, origin: Origin) -> Pool:
        """Return the pool of an origin for a client, which is to call `give_back` once."""
        pool = self._pools.get(origin)
        if pool is None:
            proxy = proxy_of(origin, self._environ)
            pool = Pool(origin, proxy, self.tls, self._max_connections, self.clock)
            self._pools[origin] = pool
        self._clients[origin] = self._clients.get(origin, 0) + 1
        return pool

    def give_back(self, origin: Origin) -> None:
        """Note that a client has ended; with the last one its pool is closed."""
        self._clients[origin] -= 1
        if not self._clients[origin]:
            del self._clients[origin]
            self._pools.pop(origin).close()


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
