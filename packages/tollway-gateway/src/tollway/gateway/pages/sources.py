"""Where the pages' facts are from: the gateway that serves them, or a store alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control.serving import Current, answer_of
from tollway.tracing.readers import TraceReader

from .answers import Answers
from .asking import Asker, InProcess, InThreads


class Source(Protocol):
    """What the routes need."""

    def info(self) -> dict[str, Any]:
        """Return what `api/info` answers beside the version."""

    def asker(self) -> Asker | None:
        """Return what answers from the traces; None where none are stored."""

    def overview(self) -> dict[str, Any] | None:
        """Return the numbers of the gateway; None where there is none. May block."""

    def is_ending(self) -> bool:
        """Say whether the server ends, so that pages must let go."""


class Overview(Protocol):
    """Sums up a gateway's numbers."""

    def now(self) -> dict[str, Any]:
        """Return them as they are now."""


class GatewaySource:
    """The store and the endpoints of the configuration that serves."""

    def __init__(
        self, current: Current, overview: Overview, is_ending: Callable[[], bool] = lambda: False
    ) -> None:
        self._current = current
        self._overview = overview
        self.is_ending = is_ending
        self._askers: dict[str, Asker] = {}

    def info(self) -> dict[str, Any]:
        """Return what there is to see; nothing of it is secret."""
        return answer_of(self._current(), "pages", _info)

    def asker(self) -> Asker | None:
        """Return what answers from the gateway's store; None where it has none."""
        tracing = self._current().config.tracing
        if tracing.store is None:
            return None
        path = str(tracing.store.path)
        if path not in self._askers:  # a reload that changes other things leaves the reader alone
            self._askers[path] = InProcess(path, _policy(tracing.sampling_rate, tracing.slow_threshold_ms))
        return self._askers[path]

    def overview(self) -> dict[str, Any] | None:
        """Return the gateway's numbers."""
        return self._overview.now()


def _policy(rate: float | None, slow_ms: float | None) -> dict[str, float | None]:
    """Return what JSON can say of the policy: an infinite threshold keeps nothing for being slow."""
    return {"sampling_rate": rate, "slow_threshold_ms": None if slow_ms == float("inf") else slow_ms}


def _info(config: GatewayConfig) -> dict[str, Any]:
    tracing = config.tracing
    endpoints = [
        {
            "name": one.name,
            "kind": "endpoint",
            "task": str(one.endpoint_type),
            "model": one.model.name,
            "provider": one.model.provider,
        }
        for one in config.endpoints
    ]
    routes = [
        {"name": one.name, "kind": "route", "task": str(one.task_type), "model": None, "provider": None}
        for one in config.routes
    ]
    return {
        "mode": "gateway",
        "stores": [] if tracing.store is None else [str(tracing.store.path)],
        "policy": _policy(tracing.sampling_rate, tracing.slow_threshold_ms),
        "endpoints": endpoints + routes,
        "has_metrics": True,
        "key_required": bool(config.auth.keys),
    }


class StoreSource:
    """A store, or a Jaeger, without a gateway."""

    def __init__(self, reader: TraceReader, name: str) -> None:
        self._asker = InThreads(Answers(reader, {}))
        self._name = name
        self._is_ending = False

    def end(self) -> None:
        """Let pages that are live go."""
        self._is_ending = True

    def info(self) -> dict[str, Any]:
        """Return what there is to see."""
        return {
            "mode": "store",
            "stores": [self._name],
            "policy": None,
            "endpoints": [],
            "has_metrics": False,
            "key_required": False,
        }

    def asker(self) -> Asker | None:
        """Return what answers from it."""
        return self._asker

    def overview(self) -> dict[str, Any] | None:
        """Return nothing: there is no gateway."""
        return None

    def is_ending(self) -> bool:
        """See `Source`."""
        return self._is_ending
