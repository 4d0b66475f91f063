"""Where the pages' facts are from: the gateway that serves them, or a store alone."""

from __future__ import annotations

from typing import Any

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control.serving import Current, answer_of
from tollway.tracing.readers import TraceReader
from tollway.tracing.store import FileStore

from .answers import Answers


class GatewaySource:
    """The store and the endpoints of the configuration that serves."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def info(self) -> dict[str, Any]:
        """Return what there is to see; nothing of it is secret."""
        return answer_of(self._current(), "pages", _info)

    def answers(self) -> Answers | None:
        """Return what answers from the gateway's store; None where it has none."""
        return answer_of(self._current(), "traces", _answers)


def _answers(config: GatewayConfig) -> Answers | None:
    store = config.tracing.store
    return None if store is None else Answers(FileStore(store.path))


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
        "policy": {
            "sampling_rate": tracing.sampling_rate,
            "slow_threshold_ms": tracing.slow_threshold_ms,
        },
        "endpoints": endpoints + routes,
        "has_metrics": True,
        "key_required": bool(config.auth.keys),
    }


class StoreSource:
    """A store, or a Jaeger, without a gateway."""

    def __init__(self, reader: TraceReader, name: str) -> None:
        self._answers = Answers(reader)
        self._name = name

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

    def answers(self) -> Answers | None:
        """Return what answers from it."""
        return self._answers
