"""What is known of one upstream: its breaker, its load, its latency, and the budget of its retries.

An upstream is a model of an account behind a URL. Endpoints that share all three share one `Upstream`: what
one of them learns the other need not. Two models of one service are two upstreams, for they are overloaded
and withdrawn one by one. Each worker has its own view.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from tollway.gateway.config.values import BreakerConfig, EndpointConfig
from tollway.provider import HTTPProvider, Provider, ProviderError

from .breaker import SUCCESS, Breaker, NoBreaker, Outcome, Random, outcome_of
from .budget import NO_BUDGET, Budget, ShareBudget
from .latency import PeakAverage
from .retry import MINIMUM_RETRIES
from .windows import Clock

_FAILED_S = 5.0
"""The latency that a failure counts for: an upstream that fails at once is not fast."""


def upstream_key(config: EndpointConfig, provider: Provider) -> Hashable:
    """Return what is the same for endpoints that share an upstream; it holds keys, and is for comparing only.

    A model in this process is an upstream of its own.
    """
    if not isinstance(provider, HTTPProvider):
        return config.name
    return type(provider), provider.url_of(config.endpoint_type), provider.headers, config.model.name


_Settings = tuple[str, BreakerConfig | None, float | None]


def _settings_of(endpoints: Iterable[EndpointConfig]) -> _Settings:
    """Return the name, the breaker's settings and the retry budget (None for none) of an upstream."""
    configs = list(endpoints)
    shares = [one.retry.budget for one in configs if one.retry is not None and one.retry.attempts > 1]
    return configs[0].name, configs[0].breaker, min(shares, default=None)


class Upstream:
    """The health and the load of one upstream, as this worker sees them.

    `endpoints` are those that share it. The first one names it (in metrics and `/api`) and gives the settings
    of its breaker; of several retry budgets the smallest counts.
    """

    __slots__ = (
        "_clock_s",
        "_random",
        "_rejects",
        "_settings",
        "breaker",
        "budget",
        "in_flight",
        "latency",
        "name",
    )

    def __init__(self, endpoints: Iterable[EndpointConfig], clock_s: Clock, random: Random) -> None:
        self._settings = settings = _settings_of(endpoints)
        self.name, breaker, share = settings
        self._clock_s = clock_s
        self._random = random
        self.in_flight = 0
        self.breaker = NoBreaker() if breaker is None else Breaker(breaker, clock_s, random)
        self.budget: Budget = NO_BUDGET if share is None else ShareBudget(share, MINIMUM_RETRIES, clock_s)
        self.latency: PeakAverage | None = None
        self._rejects = breaker is not None and breaker.when_open == "reject"

    def set_by(self, endpoints: Iterable[EndpointConfig]) -> Upstream:
        """Return the same upstream as these endpoints set it: what they leave as it was keeps its state."""
        settings = _settings_of(endpoints)
        if settings == self._settings:
            return self
        other = Upstream(endpoints, self._clock_s, self._random)
        name, breaker, share = self._settings
        if (other.name, settings[1]) == (name, breaker):
            other.breaker = self.breaker
        if settings[2] == share:
            other.budget = self.budget
        other.latency = self.latency
        return other

    @property
    def available(self) -> bool:
        """Whether its breaker would let an attempt pass."""
        return self.breaker.allows

    def track_latency(self) -> PeakAverage:
        """Have latencies remembered from now on; for the strategies that go by them."""
        if self.latency is None:
            self.latency = PeakAverage(self._clock_s)
        return self.latency

    def begin(self, *, last: bool, retry: bool = False) -> int | None:
        """Return a permit for an attempt, to be given back to `end`; None when the breaker refuses it.

        `last` says that no other candidate is left: unless the breaker is set to reject, it lets those pass.
        `retry` says that this upstream was asked for the same call before.
        """
        breaker = self.breaker
        permit = breaker.generation if breaker.quiet else breaker.acquire(force=last and not self._rejects)
        if permit is None:
            return None
        self.in_flight += 1
        if not retry and self.budget is not NO_BUDGET:
            self.budget.deposit()
        return permit

    def answered(self, latency_s: float) -> None:
        """Note how long a whole answer, or the first token of a stream, was waited for."""
        if self.latency is not None:
            self.latency.observe(latency_s)

    def end(self, permit: int, outcome: Outcome) -> None:
        """Note how an attempt ended; NEUTRAL when its caller hung up, or another attempt was faster."""
        self.in_flight -= 1
        if outcome is SUCCESS and self.breaker.quiet:
            return
        self.breaker.release(permit, outcome)
        if outcome is Outcome.FAILURE and self.latency is not None:
            self.latency.observe(_FAILED_S)

    def failed(self, permit: int, error: ProviderError) -> None:
        """Note that an attempt ended with an error."""
        self.end(permit, outcome_of(error))
