"""Whom a gateway may listen to: others than this machine only if its callers have keys."""

from __future__ import annotations

from tollway.gateway.config.values import GatewayConfig

from .address import is_loopback


def objection(config: GatewayConfig, host: str) -> str | None:
    """Return why a configuration must not be served on an address; None when it may be.

    An admin key protects the control plane, and nothing of what callers do.
    """
    admin = config.server.admin
    if admin is not None and config.auth.admin_digest is None and not is_loopback(admin.host):
        return (
            f"the control plane on {admin.host} (server.admin.host) can be reached from other machines: add "
            "auth.admin_key, listen on 127.0.0.1, or say --insecure-no-auth"
        )
    if config.auth.keys or is_loopback(host):
        return None
    return (
        f"--host {host} can be reached from other machines, and the configuration has no keys for callers, "
        "so anybody could use its models: add auth.keys, listen on 127.0.0.1, or say --insecure-no-auth if "
        "something in front of the gateway asks callers who they are"
    )
