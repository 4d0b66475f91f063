"""What all connections of one server share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from uvicorn import Config
from uvicorn.server import ServerState

from tollway.gateway.guard.memory import shared_budget
from tollway.gateway.outbox import outbox_of
from tollway.gateway.pipeline.malformed import OBSERVERS, MalformedRequest, Observer

from .malformed_log import MalformedLog

_log = logging.getLogger(__name__)

_KEY = "tollway.server"
"""Where a server's service is in the state of its lifespan."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long a caller may take; in seconds."""

    head_s: float = 10.0
    """For all of a head, from its first byte; on a new connection from its beginning."""

    body_s: float = 30.0
    """For the next byte of a body."""

    read_s: float = 60.0
    """For reading some of an answer that waits to be read."""

    linger_s: float = 5.0
    """For hanging up after an answer that came before the request's end, or for the rest of its body."""

    idle_s: float = 75.0
    """For the next request."""


class Timed(Protocol):
    """A connection that may not stay as it is for ever."""

    deadline_s: float

    def on_deadline(self, now_s: float) -> None:
        """End the connection, or give it another deadline."""


class Sweeper:
    """Ends what takes too long: one timer for all connections of a server, looked at once a second."""

    EVERY_S = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: Collection[Timed]) -> None:
        self._loop = loop
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, if this is not done already; it ends with the last connection."""
        if self._timer is None:
            self._timer = self._loop.call_later(self.EVERY_S, self._look)

    def sweep(self, now_s: float) -> None:
        """End what has taken too long at this time of the loop's clock."""
        for connection in [one for one in self._connections if one.deadline_s <= now_s]:
            try:
                connection.on_deadline(now_s)
            except Exception:  # one connection's trouble is not the others'
                _log.exception("a connection could not be ended in time")

    def _look(self) -> None:
        self._timer = None
        self.sweep(self._loop.time())
        if self._connections:
            self.start()


class Service:
    """One for each server."""

    def __init__(
        self, config: Config, state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        if not config.loaded:
            config.load()
        self.app = config.loaded_app
        self.state = state
        self.loop = loop
        self.outbox = outbox_of(loop)
        self.limits = TimeLimits(idle_s=config.timeout_keep_alive)
        self.sweeper = Sweeper(loop, state.connections)  # type: ignore[arg-type]  # they are ours
        self.memory = shared_budget(app_state)
        self._observers: list[Observer] = [MalformedLog(loop).note, *app_state.get(OBSERVERS, ())]

    def malformed(self, request: MalformedRequest) -> None:
        """Tell whoever counts and logs of a request that was refused. Telemetry never breaks its caller."""
        for observer in self._observers:
            try:
                observer(request)
            except Exception:
                _log.exception("a malformed request could not be counted or logged")


def service_of(
    config: Config, state: ServerState, app_state: dict[str, Any], loop: asyncio.AbstractEventLoop
) -> Service:
    """Return the service of a server; asked once for each connection."""
    service: Service | None = app_state.get(_KEY)
    if service is None or service.state is not state:
        service = app_state[_KEY] = Service(config, state, app_state, loop)
    return service
