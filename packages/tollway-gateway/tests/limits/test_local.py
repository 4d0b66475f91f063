"""Buckets of one process; what all stores promise is in `test_bucket.py`."""

from __future__ import annotations

from tollway.gateway.limits import Claim, LocalStore, Rate

SECOND_NS = 1_000_000_000
SLOW = Rate(1, 3_600_000_000, 5)


def key(number: int) -> bytes:
    return number.to_bytes(16)


def test_full_buckets_are_forgotten_first():
    """Many more keys than places: nothing is lost as long as the forgotten ones were full again."""
    now_ns, evicted = 0, []
    store = LocalStore(lambda: now_ns, max_buckets=10, on_evict=lambda: evicted.append(1))
    held = Claim(SLOW, key(9999), 4)
    store.take_nowait([held])
    for number in range(200):
        now_ns += 2 * SECOND_NS
        assert store.take_nowait([Claim(Rate(1, 1_000_000, 1), key(number), 1)])[0].allowed
    assert not store.take_nowait([held])[0].allowed
    assert not evicted


def test_of_too_many_the_fullest_are_evicted_and_counted():
    """A tenth at a time; those that are reserved stay."""
    evicted: list[int] = []
    store = LocalStore(lambda: 0, max_buckets=10, on_evict=lambda: evicted.append(1))
    reserved = Claim(SLOW, key(9999), 5)
    store.reserve(reserved.rate, reserved.key)
    store.take_nowait([reserved])
    for number in range(25):
        store.take_nowait([Claim(SLOW, key(number), 1 + number % 5)])
    assert 15 == len(evicted)
    assert not store.take_nowait([reserved])[0].allowed
