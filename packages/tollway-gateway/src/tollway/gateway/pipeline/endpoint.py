"""An endpoint, wired: what admits its calls, what asks its model, and what happens when that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from opentelemetry.trace import Span

from tollway.gateway.cost import Pricing
from tollway.gateway.resilience.hedge import HedgePolicy
from tollway.gateway.resilience.retry import RetryPolicy
from tollway.gateway.resilience.shedding import Gate
from tollway.gateway.resilience.upstream import Upstream
from tollway.gateway.telemetry import Labels
from tollway.gateway.telemetry.inference import InferenceCells
from tollway.gateway.telemetry.propagation import RawContext
from tollway.provider import Answer, AnswerInfo, Call, Task

from .deadline import TimeLimits
from .quota import Quota, QuotaSet

if TYPE_CHECKING:
    from tollway.gateway.budgets.budget import Budget

    from .raw import RawRunner


class Attempt(Protocol):
    """What a runner knows of the attempt that it makes, and notes there."""

    upstream_headers: Mapping[str, str] | None
    """Of the HTTP service that answered: they say by what name it knows the request."""

    raw_context: Callable[[], RawContext]
    """Returns the context of the attempt's span, to which an upstream's are children."""

    @property
    def span(self) -> Span:
        """The span of the attempt, which is current in a `predict`."""

    def waited(self, for_s: float) -> None:
        """Note seconds that were waited for the model: they are no overhead of ours."""


class Events(Protocol):
    """An answer in events of OpenAI's dialect, as they come."""

    info: AnswerInfo

    async def next(self) -> bytes:
        """Wait for the next whole events; empty at the end. A stream that breaks raises a `ProviderError`."""

    async def close(self) -> None:
        """Let go of the model's side, at its end or before."""


class Runner(Protocol):
    """Asks a model; all that goes wrong is a `ProviderError`. Time limits are whoever awaits it."""

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """Ask for a whole answer."""

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """Ask for a stream."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of the config, with all that serves it."""

    name: str
    task: Task
    quotas: tuple[Quota, ...]
    budgets: tuple[Budget, ...]
    gate: Gate
    limits: TimeLimits
    runner: Runner
    dialects: Mapping[str, Runner]
    """Who asks its model in another dialect than OpenAI's, by the dialect's name."""

    upstream: Upstream
    retry: RetryPolicy
    hedge: HedgePolicy
    stream_recovery: Literal["error", "continue", "buffer"]
    can_prefill: bool
    """Whether its model goes on with an answer that another one began."""

    pricing: Pricing
    labels: Labels
    span_name: str
    attributes: dict[str, Any]
    """What the span of every attempt says."""

    raw: RawRunner | None = None
    """What passes requests on raw; None where it has no service of HTTP."""

    inference: InferenceCells | None = None
    """Where its calls are measured for OTLP."""

    quota_sets: dict[tuple[Quota, ...], QuotaSet] = field(default_factory=dict)
    """Its limits together with those of callers and routes, as far as such calls have come."""

    def runner_for(self, call: Call) -> Runner:
        """Return who asks its model in the dialect of a call."""
        return self.runner if call.dialect is None else self.dialects[call.dialect.name]
