"""A circuit breaker for one upstream (https://martinfowler.com/bliki/CircuitBreaker.html).

CLOSED     requests pass; failures are counted
   |  enough consecutive failures, or a large enough share of failures
   v
OPEN       requests are refused for a while; the while doubles with every failed probe
   |  the while is over
   v
HALF_OPEN  a few requests at a time pass as probes: as many successes close it, one failure opens it again

A failure is an attempt after which the same upstream is not worth asking: a 5xx, a connection error, silence,
an exhausted quota. An answer of any other status shows that the upstream works: what a caller did wrong, and
what a content filter refuses, are successes. A 429, a 409 and a 425 are neither: the upstream works, and
wants less.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from tollway.gateway.config.values import BreakerConfig
from tollway.provider import ErrorKind, ProviderError

from .windows import Clock, SlidingCount

Random = Callable[[], float]

_SPREAD = 0.1
"""By which share the time of being open varies, so that several workers do not probe in the same instant."""

_NEUTRAL_STATUSES = frozenset({409, 425, 429})
_FAILURES = frozenset({ErrorKind.RETRYABLE, ErrorKind.SILENT, ErrorKind.QUOTA_EXHAUSTED})


class State(Enum):
    """Of a breaker; the values are those of the metric `gateway_breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Outcome(Enum):
    """What an attempt says of its upstream."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


SUCCESS = Outcome.SUCCESS
"""By a name of its own: every attempt looks it up, and a look into an `Enum` costs as much as ten others."""


def outcome_of(error: ProviderError | None) -> Outcome:
    """Return what an attempt says of its upstream; None is an attempt that answered."""
    if error is None or error.kind not in _FAILURES:
        return Outcome.SUCCESS
    status = getattr(error, "upstream_status", error.status)
    if status in _NEUTRAL_STATUSES and error.kind is ErrorKind.RETRYABLE:
        return Outcome.NEUTRAL
    return Outcome.FAILURE


class CircuitOpenError(ProviderError):
    """An upstream is not asked, because it failed too often a moment ago."""

    status = 503
    code = "upstream_circuit_open"

    def __init__(self, endpoint: str, retry_after_s: float) -> None:
        super().__init__(
            f"the model of {endpoint!r} failed too often; it is asked again in {retry_after_s:.3g} s",
            retry_after_s=retry_after_s,
            kind=ErrorKind.SILENT,
        )


OnChange = Callable[[State, State], None]
"""Told of the state before and the state now."""


class Breaker:
    """The circuit breaker of one upstream.

    Every attempt asks for a permit and gives it back with its outcome. A permit of an earlier state is out of
    date and changes nothing, as an attempt that began before the breaker opened says nothing of a probe. The
    share of failures is that since the first failure in the window: until there is one nothing is counted, so
    that a healthy upstream costs nothing.
    """

    __slots__ = (
        "_clock_s",
        "_config",
        "_consecutive",
        "_failures",
        "_open_for_s",
        "_open_until_s",
        "_probes",
        "_random",
        "_requests",
        "_state",
        "_successes",
        "_watching",
        "generation",
        "on_change",
        "opened",
        "quiet",
    )

    def __init__(self, config: BreakerConfig, clock_s: Clock, random: Random) -> None:
        self._config = config
        self._clock_s = clock_s
        self._random = random
        self._state = State.CLOSED
        self.generation = 0
        """Counts changes of the state; it is the permit while the breaker is closed."""
        self.quiet = True
        """Closed, and no failure to be remembered: a success changes nothing then."""
        self._consecutive = 0
        self._watching = False
        self._requests = SlidingCount(config.window_s, clock_s)
        self._failures = SlidingCount(config.window_s, clock_s)
        self._open_for_s = 0.0
        self._open_until_s = 0.0
        self._probes = 0
        self._successes = 0
        self.opened = 0
        self.on_change: list[OnChange] = []

    @property
    def state(self) -> State:
        """The state now; an open breaker whose while is over is half open."""
        if self._state is State.OPEN and self._clock_s() >= self._open_until_s:
            return State.HALF_OPEN
        return self._state

    @property
    def allows(self) -> bool:
        """Whether a permit would be given now."""
        state = self._state
        if state is State.CLOSED:
            return True
        if state is State.OPEN:
            return self._clock_s() >= self._open_until_s
        return self._probes < self._config.probes

    @property
    def retry_after_s(self) -> float:
        """Seconds until the next probe may pass; 0 when one may now."""
        return max(0.0, self._open_until_s - self._clock_s()) if self._state is State.OPEN else 0.0

    def acquire(self, *, force: bool = False) -> int | None:
        """Return a permit for one attempt, None when it is refused; with `force` it never is."""
        if self._state is State.CLOSED:
            return self.generation
        if self._state is State.OPEN and self._clock_s() >= self._open_until_s:
            self._become(State.HALF_OPEN)
        if self._state is State.HALF_OPEN and self._probes < self._config.probes:
            self._probes += 1
            return self.generation
        return ~self.generation if force else None

    def release(self, permit: int, outcome: Outcome) -> None:
        """Give a permit back; NEUTRAL says nothing, as when the caller hung up."""
        if permit < 0:
            self._release_forced(~permit, outcome)
        elif permit != self.generation:
            return
        elif self._state is State.CLOSED:
            self._count(outcome)
        elif self._state is State.HALF_OPEN:
            self._judge_probe(outcome)

    def _release_forced(self, generation: int, outcome: Outcome) -> None:
        """A forced attempt that answers shows that the upstream is back, probe or not."""
        if generation == self.generation and outcome is Outcome.SUCCESS:
            self._close()

    def _count(self, outcome: Outcome) -> None:
        if outcome is Outcome.SUCCESS:
            self._consecutive = 0
            if self._watching:
                self._count_success()
            self.quiet = not self._watching
        elif outcome is Outcome.FAILURE:
            self._count_failure()

    def _count_success(self) -> None:
        if self._failures.total():
            self._requests.add()
        else:
            self._watching = False
            self._requests.clear()

    def _count_failure(self) -> None:
        if not self._failures.total():
            self._requests.clear()
        self._watching = True
        self.quiet = False
        self._consecutive += 1
        self._requests.add()
        self._failures.add()
        config, requests = self._config, self._requests.total()
        if self._consecutive >= config.consecutive_failures or (
            requests >= config.min_requests and self._failures.total() >= config.failure_rate * requests
        ):
            self._open(config.open_for_s)

    def _judge_probe(self, outcome: Outcome) -> None:
        self._probes -= 1
        if outcome is Outcome.FAILURE:
            self._open(min(self._open_for_s * 2, self._config.max_open_for_s))
        elif outcome is Outcome.SUCCESS:
            self._successes += 1
            if self._successes >= self._config.probes:
                self._close()

    def _open(self, for_s: float) -> None:
        self._open_for_s = for_s
        self._open_until_s = self._clock_s() + for_s * (1 - _SPREAD * self._random())
        self.opened += 1
        self._become(State.OPEN)

    def _close(self) -> None:
        self._consecutive = 0
        self._watching = False
        self._requests.clear()
        self._failures.clear()
        self._become(State.CLOSED)

    def _become(self, state: State) -> None:
        before, self._state = self._state, state
        self.generation += 1
        self.quiet = state is State.CLOSED
        self._probes = self._successes = 0
        for told in self.on_change:
            told(before, state)


class NoBreaker:
    """A breaker that never opens."""

    __slots__ = ()

    state = State.CLOSED
    allows = True
    quiet = True
    generation = 0
    retry_after_s = 0.0
    opened = 0

    def acquire(self, *, force: bool = False) -> int | None:
        """See `Breaker.acquire`."""
        return 0

    def release(self, permit: int, outcome: Outcome) -> None:
        """See `Breaker.release`."""
