"""The client of the Redis that a URL names: one server, a Sentinel's master, or a cluster."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

CONNECT_S = 1.0
ANSWER_S = 0.25
"""After so long without an answer a connection is given up."""

SCHEMES = frozenset(
    ["redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"]
)

_PORT, _SENTINEL_PORT = 6379, 26379


class Address(NamedTuple):
    """What a URL says: `kind` is empty, `sentinel` or `cluster`; `service` names a Sentinel's master."""

    kind: str
    tls: bool
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    database: int
    service: str

    @property
    def shown(self) -> str:
        """Where it is, for a log: without user and password."""
        scheme = ("rediss" if self.tls else "redis") + (f"+{self.kind}" if self.kind else "")
        return f"{scheme}://{','.join(f'{host}:{port}' for host, port in self.hosts)}"


def address_of(url: str) -> Address:
    """Read a URL: `redis://[user:password@]host[:port][/database]`, several hosts with commas between them.

    Raises:
        ValueError: it is none; the message has no password.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("the scheme is none of " + ", ".join(sorted(SCHEMES)))
    scheme, _, kind = parts.scheme.partition("+")
    hosts = _hosts(parts, _SENTINEL_PORT if kind == "sentinel" else _PORT)
    if not kind and len(hosts) > 1:
        raise ValueError("several hosts need redis+sentinel:// or redis+cluster://")
    if parts.query or parts.fragment:
        raise ValueError("nothing may follow the path")
    path = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    service = path.pop(0) if kind == "sentinel" and path else ""
    if kind == "sentinel" and not service:
        raise ValueError("the name of the master is missing: redis+sentinel://host:26379/NAME")
    if len(path) > 1 or (path and (kind == "cluster" or not path[0].isdecimal())):
        raise ValueError("the path is not the number of a database")
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    return Address(
        kind,
        scheme == "rediss",
        hosts,
        unquote(user) or None,
        unquote(password) or None,
        int(path[0]) if path else 0,
        service,
    )


def _hosts(parts: SplitResult, default_port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for one in parts.netloc.rpartition("@")[2].split(","):
        host = urlsplit(f"//{one}")
        if not host.hostname or host.port == 0:
            raise ValueError("a host is missing")
        found.append((host.hostname, host.port or default_port))
    return tuple(found)


def clients_of(address: Address) -> list[Any]:
    """Return a client of `redis.asyncio`, and what else is to be closed with it.

    It asks nothing twice: who waits has little time.
    """
    from redis.asyncio import Redis, RedisCluster
    from redis.asyncio.cluster import ClusterNode
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import Sentinel
    from redis.backoff import NoBackoff

    login: dict[str, Any] = {"username": address.username, "password": address.password, "ssl": address.tls}
    times: dict[str, Any] = {"socket_timeout": ANSWER_S, "socket_connect_timeout": CONNECT_S}
    once = Retry(NoBackoff(), 0)
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        return [RedisCluster(startup_nodes=nodes, retry=once, **login, **times)]
    if address.kind == "sentinel":
        sentinel: Any = Sentinel(address.hosts, sentinel_kwargs=times)  # type: ignore[no-untyped-call]  # has none
        master = sentinel.master_for(address.service, db=address.database, retry=once, **login, **times)
        return [master, *sentinel.sentinels]
    (host, port), *_ = address.hosts
    return [Redis(host=host, port=port, db=address.database, retry=once, **login, **times)]
