"""The next configuration, made while the one before serves; then it takes its place, or is thrown away."""

from __future__ import annotations

import asyncio

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import CarriedState, Runtime, providers_of
from tollway.gateway.redaction import KNOWN_SECRETS

from .closing import Closing
from .snapshot import Snapshot, Snapshots

_MAKE_S = 120.0
"""How long providers may take to be made: some load a model."""

_CLOSE_S = 30.0


class PrepareError(Exception):
    """A configuration that cannot be served, though nothing is wrong with its file; says why."""


class Standby:
    """At most one configuration that is ready to serve. Used by one event loop."""

    def __init__(self, snapshots: Snapshots, runtime: Runtime) -> None:
        self._snapshots = snapshots
        self._runtime = runtime
        self._ready: Snapshot | None = None

    @property
    def config(self) -> GatewayConfig:
        """The configuration that serves."""
        return self._snapshots.current.config

    async def prepare(self, config: GatewayConfig, within_s: float = _MAKE_S) -> None:
        """Make everything that a configuration needs; requests go on meanwhile. Raises PrepareError."""
        await self.abort()
        carried = CarriedState(self._snapshots.current.carried)
        # In a thread: a provider's constructor may take as long as it likes.
        making = self._runtime.threads.submit(providers_of, config, carried)
        try:
            async with asyncio.timeout(within_s):
                providers = await asyncio.wrap_future(making)
        except TimeoutError:
            raise PrepareError(f"its providers were not made within {within_s:g} s") from None
        except Exception as error:  # a plugin's constructor may fail in any way it likes
            raise PrepareError(KNOWN_SECRETS.hide(f"a provider cannot be made: {error}")) from error
        try:
            self._ready = Snapshot(config, providers, self._runtime, carried)
        except Exception as error:
            known = self._snapshots.current.providers.values()
            await Closing(self._runtime.threads, _CLOSE_S).close_providers(
                [one for one in providers.values() if one not in known]
            )
            raise PrepareError(KNOWN_SECRETS.hide(str(error))) from error

    def commit(self) -> None:
        """Serve new requests by what is ready."""
        if self._ready is not None:
            self._snapshots.swap(self._ready)
            self._ready = None

    async def abort(self) -> None:
        """Throw away what is ready."""
        snapshot, self._ready = self._ready, None
        if snapshot is not None:
            await self.close(snapshot, _CLOSE_S)

    async def close(self, snapshot: Snapshot, within_s: float) -> list[str]:
        """Close what one snapshot alone has; return what could not be closed in time."""
        closing = Closing(self._runtime.threads, within_s)
        await closing.wait_for("the connections to models", snapshot.client.close())
        await closing.close_providers(self._snapshots.unshared(snapshot).values())
        for key, rate in self._snapshots.unshared_places(snapshot).items():
            self._runtime.limits.release(rate, key)
        return closing.unclosed
