from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.config.values import DestinationConfig, RouteConfig
from tollway.gateway.resilience.routing import Strategy, strategy_of
from tollway.provider import Task

from .conftest import Clock, Destination

STRATEGIES = ["TRAFFIC_SPLIT", "FALLBACK", "LEAST_BUSY", "LATENCY", "STICKY"]


class World:
    """A route of some destinations."""

    def __init__(self, strategy: str, shares: dict[str, float | None], clock: Clock) -> None:
        self.random = Random(7)
        self.by_name = {name: Destination(name, clock) for name in shares}
        config = RouteConfig(
            name="r",
            task_type=Task.CHAT,
            destinations=tuple(
                DestinationConfig(name=name, traffic_percentage=share) for name, share in shares.items()
            ),
            routing_strategy=strategy,
        )
        self.strategy: Strategy[Destination] = strategy_of(
            config, list(self.by_name.values()), clock, self.random.random
        )

    def names(self, key: bytes | None = None) -> list[str]:
        return [one.name for one in self.strategy.candidates(key)]

    def first(self, key: bytes | None = None) -> str:
        return next(iter(self.strategy.candidates(key))).name


def world(strategy: str, clock: Clock, *names: str, **shares: float) -> World:
    return World(strategy, shares or dict.fromkeys(names or "abc"), clock)


def test_a_split_gives_each_its_share_and_nobody_after_it(clock: Clock) -> None:
    route = world("TRAFFIC_SPLIT", clock, a=80, b=20, c=0)
    firsts = Counter(tuple(route.names()) for _ in range(2000))

    assert {("a",), ("b",)} == set(firsts)
    assert 0.77 < firsts["a",] / 2000 < 0.83


def test_a_split_keeps_its_shares_when_a_destination_is_down(clock: Clock) -> None:
    route = world("TRAFFIC_SPLIT", clock, a=100, b=0)
    route.by_name["a"].break_down()

    assert ["a"] == route.names()


def test_fallback_goes_in_order_and_leaves_the_broken_to_the_end(clock: Clock) -> None:
    route = world("FALLBACK", clock)
    assert ["a", "b", "c"] == route.names()

    route.by_name["a"].break_down()

    assert ["b", "c", "a"] == route.names()


def test_least_busy_goes_by_the_requests_in_flight_for_their_weight(clock: Clock) -> None:
    route = world("LEAST_BUSY", clock, a=50, b=25, c=25)
    for name, busy in (("a", 3), ("b", 1), ("c", 0)):
        route.by_name[name].upstream.in_flight = busy

    assert ["c", "a", "b"] in (route.names(), ["c", "b", "a"]) or "c" == route.first()
    route.by_name["c"].upstream.in_flight = 9
    assert "c" == route.names()[-1]


def test_equally_busy_destinations_share_the_traffic(clock: Clock) -> None:
    route = world("LEAST_BUSY", clock)
    firsts = Counter(route.first() for _ in range(600))

    assert {"a", "b", "c"} == set(firsts)
    assert min(firsts.values()) > 120


def test_latency_prefers_the_faster_of_two(clock: Clock) -> None:
    route = world("LATENCY", clock, "a", "b")
    route.by_name["a"].upstream.answered(0.1)
    route.by_name["b"].upstream.answered(1.0)

    assert ["a", "b"] == route.names()
    route.by_name["a"].upstream.in_flight = 20
    assert ["b", "a"] == route.names()


def test_latency_never_prefers_the_slowest_of_three(clock: Clock) -> None:
    route = world("LATENCY", clock)
    for name, latency_s in (("a", 0.1), ("b", 0.5), ("c", 1.0)):
        route.by_name[name].upstream.answered(latency_s)
    firsts = Counter(route.first() for _ in range(300))

    assert {"a", "b"} == set(firsts)
    assert firsts["a"] > firsts["b"] > 50


def test_a_destination_that_fails_at_once_is_not_fast(clock: Clock) -> None:
    from tollway.gateway.resilience.breaker import Outcome

    route = world("LATENCY", clock, "a", "b")
    route.by_name["b"].upstream.answered(1.0)
    upstream = route.by_name["a"].upstream
    permit = upstream.begin(last=True)
    assert permit is not None
    upstream.end(permit, Outcome.FAILURE)
    clock.advance(6)  # its breaker lets a probe pass

    assert "b" == route.first()


class TestSticky:
    def test_a_conversation_stays_where_it_is(self, clock: Clock) -> None:
        route = world("STICKY", clock)
        for key in (bytes([number]) * 16 for number in range(50)):
            assert 1 == len({route.first(key) for _ in range(5)})

    def test_conversations_spread(self, clock: Clock) -> None:
        route = world("STICKY", clock)
        firsts = Counter(route.first(bytes([number]) * 16) for number in range(250))

        assert min(firsts.values()) > 50

    def test_it_moves_when_its_upstream_is_down_and_stays_there(self, clock: Clock) -> None:
        route, key = world("STICKY", clock), b"k" * 16
        home = route.first(key)
        route.by_name[home].break_down()
        away = route.first(key)
        assert away != home
        assert home == route.names(key)[-1]
        route.strategy.served(key, away)
        clock.advance(100)
        assert route.by_name[home].upstream.available

        assert away == route.first(key)
        clock.advance(3600)
        assert home == route.first(key)

    def test_one_that_is_home_again_needs_no_entry(self, clock: Clock) -> None:
        route, key = world("STICKY", clock), b"k" * 16
        home, away, _ = route.names(key)
        route.strategy.served(key, away)
        route.strategy.served(key, home)

        assert home == route.first(key)

    def test_without_a_key_it_goes_where_the_fewest_are(self, clock: Clock) -> None:
        route = world("STICKY", clock)
        for name in "ab":
            route.by_name[name].upstream.in_flight = 5

        assert "c" == route.first(None)


@pytest.mark.parametrize("strategy", ["FALLBACK", "LEAST_BUSY", "LATENCY", "STICKY"])
@given(data=st.data())
def test_everybody_comes_once_and_the_available_come_first(strategy: str, data: Any) -> None:
    clock = Clock()
    names = data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, unique=True))
    route = world(strategy, clock, *names)
    for one in route.by_name.values():
        one.upstream.in_flight = data.draw(st.integers(0, 5))
        one.upstream.answered(data.draw(st.floats(0, 10)))
        if data.draw(st.booleans()):
            one.break_down()
    key = data.draw(st.none() | st.binary(min_size=16, max_size=16))

    given_names = route.names(key)

    assert sorted(names) == sorted(given_names)
    available = [route.by_name[name].upstream.available for name in given_names]
    assert available == sorted(available, reverse=True)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_order_is_worked_out_when_it_is_asked_for(strategy: str, clock: Clock) -> None:
    route = world(strategy, clock, a=40, b=30, c=30)

    assert isinstance(route.strategy.candidates(b"k" * 16), Iterator)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_only_a_sticky_route_goes_by_conversations(strategy: str, clock: Clock) -> None:
    route = world(strategy, clock, a=100)
    route.strategy.served(b"k" * 16, "a")

    assert route.strategy.by_conversation is (strategy == "STICKY")


@pytest.mark.parametrize("strategy", ["LEAST_BUSY", "LATENCY", "STICKY"])
def test_a_destination_without_weight_has_no_traffic(strategy: str, clock: Clock) -> None:
    assert ["a"] == world(strategy, clock, a=100, b=0).names(b"k" * 16)
