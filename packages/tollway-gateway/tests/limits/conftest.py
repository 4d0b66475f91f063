"""The three states that buckets can be in: every test of the conformance suite runs on each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tollway.gateway.limits import Claim, Decision, LocalStore, SharedStore

START_US = 1_000_000


class Clock:
    """Counts nanoseconds, as far as a test says."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us * 1000


class Buckets:
    """A store as the tests ask it, whatever it is; `open` gives another one that has the same buckets."""

    def __init__(self, open_store: Callable[[Clock], object]) -> None:
        self.clock = Clock()
        self._open = open_store
        self._store = open_store(self.clock)

    def another(self) -> Buckets:
        """Return what another process would open."""
        other = Buckets(self._open)
        other.clock = self.clock
        other._store = self._open(self.clock)
        return other

    def wait(self, us: int) -> None:
        self.clock.now_us += us

    def take(self, *claims: Claim) -> list[Decision]:
        decisions = self._store.take_nowait(claims)
        assert decisions is not None
        return decisions

    def adjust(self, *claims: Claim) -> None:
        self._store.adjust(claims)


@pytest.fixture(params=["local", "shared"])
def new_buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Buckets]:
    """Makes buckets that are full, of one kind of store."""
    made = 0

    def make() -> Buckets:
        nonlocal made
        made += 1
        if request.param == "local":
            return Buckets(LocalStore)
        folder = tmp_path / str(made)
        folder.mkdir()
        return Buckets(lambda clock: SharedStore(str(folder), clock, slots=256))

    return make


@pytest.fixture
def buckets(new_buckets: Callable[[], Buckets]) -> Buckets:
    return new_buckets()
