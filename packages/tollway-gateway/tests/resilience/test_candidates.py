import pytest

from tollway.gateway.resilience.candidates import available_first, fallback_chain, next_after, with_fallbacks
from tollway.provider import ErrorKind, ProviderError

from .conftest import Clock, Destination


def test_a_fallback_is_followed_by_its_own_fallbacks() -> None:
    fallbacks = {"a": ["b", "d"], "b": ["c"], "c": [], "d": ["c", "e"]}

    assert ["b", "c", "d", "e"] == fallback_chain("a", fallbacks)
    assert [] == fallback_chain("e", fallbacks)


def test_a_chain_that_comes_back_ends() -> None:
    assert ["b"] == fallback_chain("a", {"a": ["b"], "b": ["a"]})


@pytest.fixture
def all_of(clock: Clock) -> dict[str, Destination]:
    return {name: Destination(name, clock) for name in "abcd"}


def names(candidates: object) -> list[str]:
    return [one.name for one in candidates]  # type: ignore[attr-defined]  # endpoints only


def test_fallbacks_come_after_all_candidates_and_nobody_comes_twice(all_of: dict[str, Destination]) -> None:
    a, b, c, d = all_of.values()

    assert ["a", "b", "d", "c"] == names(with_fallbacks(iter([a, b]), {"a": [b, d], "b": [c, d]}))


def test_a_fallback_that_is_available_comes_before_a_broken_candidate(all_of: dict[str, Destination]) -> None:
    a, b, *_ = all_of.values()
    a.break_down()

    assert ["b", "a"] == names(with_fallbacks(iter([a]), {"a": [b]}))


def test_health_is_looked_at_when_a_candidates_turn_comes(all_of: dict[str, Destination]) -> None:
    a, b, c, _ = all_of.values()
    candidates = available_first(iter([a, b, c]))

    assert "a" == next(candidates).name
    b.break_down()
    assert ["c", "b"] == names(candidates)


@pytest.mark.parametrize(
    ("kind", "following"),
    [
        (ErrorKind.RETRYABLE, "b"),
        (ErrorKind.SILENT, "c"),
        (ErrorKind.CONTEXT_LENGTH, "c"),
        (ErrorKind.QUOTA_EXHAUSTED, "c"),
        (ErrorKind.CONTENT_FILTER, None),
        (ErrorKind.NEVER, None),
    ],
)
def test_the_kind_of_an_error_says_who_is_asked_next(
    kind: ErrorKind, following: str | None, all_of: dict[str, Destination]
) -> None:
    """`b` is another name for the upstream that failed."""
    a, b, c, _ = all_of.values()
    b.upstream = a.upstream
    found = next_after(ProviderError("m", kind=kind), {a.upstream}, iter([b, c]))

    assert following == (found and found.name)


def test_when_nobody_is_left_nobody_is_asked(all_of: dict[str, Destination]) -> None:
    a = all_of["a"]

    assert next_after(ProviderError("m"), {a.upstream}, iter(())) is None
