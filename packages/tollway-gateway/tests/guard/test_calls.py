"""The calls of an endpoint take places; a place is free when nothing of its call runs any more."""

from __future__ import annotations

from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.telemetry import Metrics


def value(metrics: Metrics, name: str, endpoint: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"endpoint": endpoint})


def test_a_place_is_taken_and_given_back():
    """Above the limit there is none, which is counted; endpoints take nothing from each other."""
    metrics = Metrics()
    limits = CallLimits(metrics)
    mine, other = limits.slots_of("mine", 2), limits.slots_of("other", 2)
    first, second = mine.take(), mine.take()
    assert first is not None
    assert second is not None
    assert mine.take() is None
    assert other.take() is not None
    assert (limits.taken, value(metrics, "gateway_predict_calls", "mine")) == (3, 2)
    assert value(metrics, "gateway_predict_refusals_total", "mine") == 1
    first.leave()
    assert mine.take() is not None


def test_the_last_holder_frees_a_place():
    """What was left behind keeps the place after its caller is gone."""
    slots = CallLimits(Metrics()).slots_of("mine", 1)
    slot = slots.take()
    assert slot is not None
    slot.hold()
    slot.leave()
    assert slots.taken == 1
    slot.leave()
    assert slots.taken == 0
