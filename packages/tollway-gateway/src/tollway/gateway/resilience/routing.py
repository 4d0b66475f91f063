"""How a route orders its destinations for one request.

Every strategy gives the destinations one after another, the one to ask first and those to ask when it fails.
The order is worked out step by step: who asks for one candidate pays for one. Destinations whose breaker is
open come last, so that there is always somebody to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import ClassVar, Generic

from tollway.gateway.config.values import RouteConfig

from .candidates import Routable, T, available_first
from .sticky import StickyTable, rendezvous
from .windows import Clock

Random = Callable[[], float]
"""Gives a number in [0, 1)."""


class Strategy(Generic[T]):
    """Orders the destinations of a route."""

    by_conversation: ClassVar[bool] = False
    """Whether it goes by the conversation that a request belongs to."""

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """Give destinations in the order in which to ask them; `key` is that of `conversation_key`."""
        raise NotImplementedError

    def served(self, key: bytes | None, name: str) -> None:
        """Note which destination answered a request."""


class TrafficSplit(Strategy[T]):
    """One destination by its share, whatever its health: the shares of an experiment stay what they are."""

    def __init__(self, destinations: Sequence[T], weights: Sequence[float], random: Random) -> None:
        self._destinations = destinations
        self._bounds = list(accumulate(weights))
        self._random = random

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """See `Strategy.candidates`."""
        mark = self._random() * self._bounds[-1]
        for bound, destination in zip(self._bounds, self._destinations, strict=True):
            if mark < bound:
                return iter((destination,))
        return iter((self._destinations[-1],))


class Fallback(Strategy[T]):
    """All destinations in the order of the file, those that are available first."""

    def __init__(self, destinations: Sequence[T]) -> None:
        self._destinations = destinations

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """See `Strategy.candidates`."""
        return available_first(iter(self._destinations))


class LeastBusy(Strategy[T]):
    """The destination with the fewest requests in flight for its weight, then the next; ties by chance."""

    def __init__(self, destinations: Sequence[T], weights: Sequence[float], random: Random) -> None:
        self._left = [(one, weight) for one, weight in zip(destinations, weights, strict=True) if weight]
        self._random = random

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """See `Strategy.candidates`."""
        left = list(self._left)
        while left:
            best = min(left, key=self._rank)
            left.remove(best)
            yield best[0]

    def _rank(self, entry: tuple[T, float]) -> tuple[bool, float, float]:
        upstream = entry[0].upstream
        return not upstream.available, (upstream.in_flight + 1) / entry[1], self._random()


class Latency(Strategy[T]):
    """The better of two destinations drawn by chance (power of two choices), then the others by their cost.

    The cost is the moving average of the latency times the requests in flight. Drawing two keeps all workers
    from rushing to the one destination that is the fastest at the moment (Mitzenmacher 2001).
    """

    def __init__(self, destinations: Sequence[T], weights: Sequence[float], random: Random) -> None:
        self._all = [(one, weight) for one, weight in zip(destinations, weights, strict=True) if weight]
        self._random = random
        for one, _ in self._all:
            one.upstream.track_latency()

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """See `Strategy.candidates`."""
        left = list(self._all)
        first = min(self._draw(left), key=_cost)
        left.remove(first)
        yield first[0]
        while left:
            best = min(left, key=_cost)
            left.remove(best)
            yield best[0]

    def _draw(self, entries: list[tuple[T, float]]) -> list[tuple[T, float]]:
        """Draw two of the available ones, or of all when none is."""
        pool = [entry for entry in entries if entry[0].upstream.available] or entries
        if len(pool) <= 2:
            return pool
        first = int(self._random() * len(pool))
        second = int(self._random() * (len(pool) - 1))
        return [pool[first], pool[second + (second >= first)]]


def _cost(entry: tuple[Routable, float]) -> tuple[bool, float, float]:
    upstream, weight = entry[0].upstream, entry[1]
    latency = upstream.latency
    latency_s = latency.value_s() if latency is not None else 0.0
    load = upstream.in_flight + 1
    return not upstream.available, latency_s * load / weight, load / weight


class Sticky(Strategy[T]):
    """The destination that served a conversation before, so that its prompt cache is used.

    Where to begin is worked out of the conversation's key (rendezvous hashing), so all workers agree without
    telling one another. What was moved because an upstream was not available stays there: the table
    remembers. Requests without a key go where the fewest are in flight.
    """

    by_conversation = True

    def __init__(
        self, destinations: Sequence[T], weights: Sequence[float], table: StickyTable, random: Random
    ) -> None:
        self._by_name = {one.name: one for one, weight in zip(destinations, weights, strict=True) if weight}
        self._weights = {
            one.name: weight for one, weight in zip(destinations, weights, strict=True) if weight
        }
        self._table = table
        self._unkeyed = LeastBusy(destinations, weights, random)

    def candidates(self, key: bytes | None) -> Iterator[T]:
        """See `Strategy.candidates`."""
        if key is None:
            return self._unkeyed.candidates(None)
        return self._keyed(key)

    def served(self, key: bytes | None, name: str) -> None:
        """See `Strategy.served`: the conversation stays with it."""
        if key is None:
            return
        if name == rendezvous(key, self._weights)[0]:
            self._table.forget(key)
        elif name in self._by_name:
            self._table.remember(key, name)

    def _keyed(self, key: bytes) -> Iterator[T]:
        names = rendezvous(key, self._weights)
        kept = self._table.find(key)
        if kept in self._by_name:
            names = [kept, *(name for name in names if name != kept)]
        return available_first(self._by_name[name] for name in names)


def strategy_of(
    config: RouteConfig,
    destinations: Sequence[T],
    clock_s: Clock,
    random: Random,
    table: StickyTable | None = None,
) -> Strategy[T]:
    """Return the strategy of a route; `destinations` are wired, in the order of the config.

    `table` is where a sticky route remembers what was moved; without one it begins with an empty one.
    """
    weights = [
        1.0 if one.traffic_percentage is None else one.traffic_percentage for one in config.destinations
    ]
    moved = StickyTable(config.sticky.ttl_s, clock_s) if table is None else table
    made: dict[str, Callable[[], Strategy[T]]] = {
        "TRAFFIC_SPLIT": lambda: TrafficSplit(destinations, weights, random),
        "FALLBACK": lambda: Fallback(destinations),
        "LEAST_BUSY": lambda: LeastBusy(destinations, weights, random),
        "LATENCY": lambda: Latency(destinations, weights, random),
        "STICKY": lambda: Sticky(destinations, weights, moved, random),
    }
    return made[config.routing_strategy]()
