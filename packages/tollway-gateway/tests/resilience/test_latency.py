import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.resilience.latency import PeakAverage, StreamingQuantile

from .conftest import Clock


def test_a_slow_answer_counts_at_once_and_is_forgotten_slowly(clock: Clock) -> None:
    average = PeakAverage(clock)
    average.observe(0.1)
    average.observe(5.0)
    assert 5.0 == average.value_s()

    clock.advance(1)
    average.observe(0.1)
    assert 4.0 < average.value_s() < 5.0
    clock.advance(60)
    assert average.value_s() < 0.05


@given(st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 30)), min_size=1))
def test_the_average_is_never_above_the_slowest(seen: list[tuple[float, float]]) -> None:
    clock = Clock()
    average = PeakAverage(clock)
    for latency_s, then_s in seen:
        average.observe(latency_s)
        assert 0 <= average.value_s() <= max(latency for latency, _ in seen) + 1e-9
        clock.advance(then_s)


def test_too_few_latencies_have_no_quantile() -> None:
    quantile = StreamingQuantile(0.95)
    for _ in range(19):
        quantile.observe(1.0)
    assert quantile.value_s() is None
    quantile.observe(1.0)
    assert quantile.value_s() is not None


@given(st.lists(st.floats(0.002, 1000), min_size=20, max_size=400), st.floats(0.01, 0.99))
def test_a_quantile_is_exact_to_nine_percent(seen: list[float], q: float) -> None:
    quantile = StreamingQuantile(q)
    for latency_s in seen:
        quantile.observe(latency_s)
    rank = next(i for i in range(len(seen)) if i + 1 >= q * len(seen))
    exact = sorted(seen)[rank]

    value_s = quantile.value_s()
    assert value_s is not None
    assert exact * 0.999 <= value_s <= exact * 1.1


def test_the_latest_latencies_count_most() -> None:
    quantile = StreamingQuantile(0.5)
    for latency_s in (*[10.0] * 5000, *[0.1] * 2000):
        quantile.observe(latency_s)

    assert pytest.approx(0.1, rel=0.1) == quantile.value_s()


@pytest.mark.parametrize("latency_s", [0.0, -1.0, 1e12])
def test_odd_latencies_are_counted_at_the_ends(latency_s: float) -> None:
    quantile = StreamingQuantile(0.5)
    for _ in range(20):
        quantile.observe(latency_s)

    assert quantile.value_s() is not None
