from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.resilience.windows import SlidingCount

from .conftest import Clock


def test_what_is_older_than_the_window_is_forgotten(clock: Clock) -> None:
    count = SlidingCount(10.0, clock)
    count.add()
    clock.advance(5)
    count.add()

    assert 2 == count.total()
    clock.advance(5.5)
    assert 1 == count.total()
    clock.advance(1000)
    assert 0 == count.total()


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=60))
def test_the_count_is_exact_to_one_tenth_of_the_window(steps: list[tuple[float, bool]]) -> None:
    """Never fewer than within nine tenths, never more than within the window."""
    clock = Clock()
    count = SlidingCount(10.0, clock)
    added: list[float] = []
    for by_s, add in steps:
        clock.advance(by_s)
        if add:
            count.add()
            added.append(clock.now_s)
        within = [clock.now_s - at for at in added]
        assert sum(age < 9.0 for age in within) <= count.total() <= sum(age < 10.0 for age in within)
