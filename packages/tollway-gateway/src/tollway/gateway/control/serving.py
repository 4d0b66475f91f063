"""What the control plane knows of the configuration that serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.pipeline.authenticate import Authenticator
from tollway.gateway.resilience.upstream import Upstream

T = TypeVar("T")

MISSING: dict[int | str, dict[str, Any]] = {404: {"description": "Nothing goes by that name"}}
"""How a path with a name in it is documented."""


class Serving(Protocol):
    """One configuration, built; see `serving.Snapshot`."""

    config: GatewayConfig
    origins: OriginCheck
    authenticator: Authenticator
    answers: dict[str, Any]

    @property
    def upstreams(self) -> Sequence[Upstream]:
        """Whom its endpoints ask."""


Current = Callable[[], Serving]
"""Returns the one that serves now."""


def answer_of(serving: Serving, what: str, make: Callable[[GatewayConfig], T]) -> T:
    """Return what is made of a configuration once, by its name, and answered as long as that serves."""
    if what not in serving.answers:
        serving.answers[what] = make(serving.config)
    answer: T = serving.answers[what]
    return answer
