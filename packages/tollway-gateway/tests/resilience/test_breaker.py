from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tollway.gateway.config.values import BreakerConfig
from tollway.gateway.resilience.breaker import Breaker, NoBreaker, Outcome, State, outcome_of
from tollway.provider import (
    ErrorKind,
    PayloadError,
    PredictionError,
    ProviderError,
    ResponseError,
    StreamError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)

from .conftest import Clock, never

GOOD, BAD, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


def made(clock: Clock, **config: Any) -> Breaker:
    return Breaker(BreakerConfig(**config), clock, never)


def run(breaker: Breaker, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        permit = breaker.acquire()
        assert permit is not None
        breaker.release(permit, outcome)


def test_consecutive_failures_open_it(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=3)
    run(breaker, BAD, BAD, GOOD, BAD, BAD)
    assert State.CLOSED is breaker.state

    run(breaker, BAD)

    assert State.OPEN is breaker.state
    assert breaker.acquire() is None
    assert 1 == breaker.opened


def test_a_share_of_failures_opens_it_from_a_number_of_requests_on(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=100, min_requests=10, failure_rate=0.5)
    run(breaker, *[BAD, GOOD] * 4, GOOD)
    assert State.CLOSED is breaker.state

    run(breaker, BAD)

    assert State.OPEN is breaker.state


def test_failures_leave_the_window(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=100, min_requests=10, failure_rate=0.5, window_s=10)
    run(breaker, *[BAD] * 9)
    clock.advance(11)
    run(breaker, GOOD, BAD, *[GOOD] * 20)

    assert State.CLOSED is breaker.state


def test_neutral_outcomes_count_for_nothing(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=2, min_requests=3)
    run(breaker, BAD, NEUTRAL, NEUTRAL, NEUTRAL)
    assert State.CLOSED is breaker.state

    run(breaker, BAD)

    assert State.OPEN is breaker.state


def opened(clock: Clock, **config: Any) -> Breaker:
    breaker = made(clock, consecutive_failures=1, open_for_s=5, max_open_for_s=15, **config)
    run(breaker, BAD)
    return breaker


def test_after_a_while_as_many_probes_pass_as_are_allowed(clock: Clock) -> None:
    breaker = opened(clock, probes=2)
    clock.advance(4.9)
    assert (False, None) == (breaker.allows, breaker.acquire())
    clock.advance(0.1)

    assert State.HALF_OPEN is breaker.state
    assert breaker.allows
    permits = [breaker.acquire() for _ in range(3)]
    assert [True, True, False] == [permit is not None for permit in permits]
    assert not breaker.allows


def test_successful_probes_close_it(clock: Clock) -> None:
    breaker = opened(clock, probes=2)
    clock.advance(5)
    run(breaker, GOOD)
    assert State.HALF_OPEN is breaker.state

    run(breaker, GOOD)

    assert State.CLOSED is breaker.state
    run(breaker, *[GOOD] * 50)


def test_every_failed_probe_doubles_the_while_up_to_the_maximum(clock: Clock) -> None:
    breaker = opened(clock)
    waits = []
    for _ in range(4):
        waits.append(breaker.retry_after_s)
        clock.advance(waits[-1])
        run(breaker, BAD)

    assert [5, 10, 15, 15] == waits


def test_the_while_starts_anew_when_it_was_closed(clock: Clock) -> None:
    breaker = opened(clock)
    clock.advance(5)
    run(breaker, BAD)
    clock.advance(10)
    run(breaker, GOOD, BAD)

    assert 5 == breaker.retry_after_s


def test_a_probe_whose_caller_hung_up_gives_its_place_back(clock: Clock) -> None:
    breaker = opened(clock)
    clock.advance(5)
    run(breaker, NEUTRAL)

    assert State.HALF_OPEN is breaker.state
    assert breaker.acquire() is not None


def test_attempts_from_before_it_opened_change_nothing(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=1, open_for_s=5)
    early = [breaker.acquire() for _ in range(3)]
    assert early[0] is not None
    breaker.release(early[0], BAD)
    clock.advance(5)
    probe = breaker.acquire()
    for permit, outcome in ((early[1], GOOD), (early[2], BAD)):
        assert permit is not None
        breaker.release(permit, outcome)

    assert State.HALF_OPEN is breaker.state
    assert probe is not None
    breaker.release(probe, GOOD)
    assert State.CLOSED is breaker.state


def test_a_forced_attempt_passes_and_closes_it_when_it_is_answered(clock: Clock) -> None:
    breaker = opened(clock)
    for outcome, state in ((BAD, State.OPEN), (NEUTRAL, State.OPEN), (GOOD, State.CLOSED)):
        permit = breaker.acquire(force=True)
        assert permit is not None
        breaker.release(permit, outcome)
        assert state is breaker.state


def test_its_changes_are_told(clock: Clock) -> None:
    breaker = made(clock, consecutive_failures=1, open_for_s=5)
    changes: list[tuple[State, State]] = []
    breaker.on_change.append(lambda before, now: changes.append((before, now)))
    run(breaker, BAD)
    clock.advance(5)
    run(breaker, GOOD)

    closed, half, open_ = State.CLOSED, State.HALF_OPEN, State.OPEN
    assert [(closed, open_), (open_, half), (half, closed)] == changes


def test_chance_shortens_the_while_by_a_tenth_at_most(clock: Clock) -> None:
    breaker = Breaker(BreakerConfig(consecutive_failures=1, open_for_s=10), clock, lambda: 0.999)
    run(breaker, BAD)

    assert 9 < breaker.retry_after_s < 9.1


def test_one_that_is_switched_off_lets_everything_pass() -> None:
    breaker = NoBreaker()
    for _ in range(50):
        permit = breaker.acquire()
        assert permit is not None
        breaker.release(permit, BAD)

    assert (State.CLOSED, True) == (breaker.state, breaker.allows)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, GOOD),
        (UpstreamConnectionError("refused"), BAD),
        (UpstreamTimeoutError("silent"), BAD),
        (ResponseError("garbage"), BAD),
        (StreamError("cut"), BAD),
        (PredictionError("raised"), BAD),
        (UpstreamError("m", upstream_status=500), BAD),
        (UpstreamError("m", upstream_status=529, status=503), BAD),
        (UpstreamError("m", upstream_status=402, status=402), BAD),
        (UpstreamError("m", upstream_status=429, status=429, kind=ErrorKind.QUOTA_EXHAUSTED), BAD),
        (UpstreamError("m", upstream_status=429, status=429), NEUTRAL),
        (UpstreamError("m", upstream_status=409, status=409), NEUTRAL),
        (UpstreamError("m", upstream_status=400, status=400), GOOD),
        (UpstreamError("m", upstream_status=401), GOOD),
        (ProviderError("m", status=400, kind=ErrorKind.CONTEXT_LENGTH), GOOD),
        (ProviderError("m", status=400, kind=ErrorKind.CONTENT_FILTER), GOOD),
        (PayloadError("m"), GOOD),
    ],
)
def test_what_an_error_says_of_its_upstream(error: ProviderError | None, outcome: Outcome) -> None:
    assert outcome is outcome_of(error)


class Machine(RuleBasedStateMachine):
    """Attempts that overlap in any way, and time that passes: what holds at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = Breaker(
            BreakerConfig(consecutive_failures=3, min_requests=6, open_for_s=5, max_open_for_s=15, probes=2),
            self.clock,
            never,
        )
        self.in_flight: list[int] = []
        self.asked_while_not_closed = 0

    @rule()
    def begin(self) -> None:
        before, allowed = self.breaker.state, self.breaker.allows
        permit = self.breaker.acquire()
        assert allowed is (permit is not None)
        if before is State.CLOSED:
            assert permit is not None
        if permit is not None:
            self.in_flight.append(permit)

    @precondition(lambda self: self.in_flight)
    @rule(outcome=st.sampled_from(Outcome), which=st.integers(0, 1000))
    def end(self, outcome: Outcome, which: int) -> None:
        self.breaker.release(self.in_flight.pop(which % len(self.in_flight)), outcome)

    @rule(by_s=st.floats(0, 20))
    def wait(self, by_s: float) -> None:
        self.clock.advance(by_s)

    @rule()
    def its_while_always_ends(self) -> None:
        if self.breaker.state is State.OPEN:
            assert 0 < self.breaker.retry_after_s <= 15
            self.clock.advance(self.breaker.retry_after_s)
            assert self.breaker.allows

    @invariant()
    def no_more_probes_than_allowed(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            assert 0 <= self.breaker._probes <= 2


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.booleans(), max_size=300))
def test_it_never_opens_while_fewer_than_the_share_fail_and_none_in_a_row(good: list[bool]) -> None:
    clock = Clock()
    breaker = made(clock, consecutive_failures=301, min_requests=10, failure_rate=0.5)
    failed = passed = 0
    for one in good:
        if not one and failed + 1 >= 0.5 * (failed + passed + 1):
            continue
        run(breaker, GOOD if one else BAD)
        failed, passed = failed + (not one), passed + (one and failed > 0)

    assert State.CLOSED is breaker.state
