"""Who may be asked for one call, one after another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from tollway.provider import ProviderError

from .upstream import Upstream


class Routable(Protocol):
    """What may be asked for a call: an endpoint."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def upstream(self) -> Upstream:
        """The health and the load of what is behind it."""


T = TypeVar("T", bound=Routable)


def fallback_chain(name: str, fallbacks: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is asked after an endpoint fails: its fallbacks in order, each followed by its own."""
    chain: dict[str, None] = {}
    following = [name]
    while following:  # a stack: a chain may be longer than Python's recursion is deep
        one = following.pop()
        if one not in chain:
            chain[one] = None
            following.extend(reversed(fallbacks.get(one, ())))
    chain.pop(name)
    return list(chain)


def available_first(candidates: Iterator[T]) -> Iterator[T]:
    """Give those first whose breaker lets an attempt pass, each looked at when its turn comes."""
    later = []
    for one in candidates:
        if one.upstream.available:
            yield one
        else:
            later.append(one)
    yield from later


def with_fallbacks(candidates: Iterator[T], chains: Mapping[str, Sequence[T]]) -> Iterator[T]:
    """Give candidates, then the fallback chains of all of them: nobody twice, the available first."""
    return available_first(_one_by_one(candidates, chains))


def _one_by_one(candidates: Iterator[T], chains: Mapping[str, Sequence[T]]) -> Iterator[T]:
    given: dict[str, T] = {}
    for one in candidates:
        given[one.name] = one
        yield one
    for name in list(given):
        for one in chains.get(name, ()):
            if one.name not in given:
                given[one.name] = one
                yield one


def next_after(error: ProviderError, asked: Collection[Upstream], candidates: Iterator[T]) -> T | None:
    """Return who is asked next when retries are over, None when nobody is.

    What only another model can answer (a prompt that is too long), or only another account, is not asked of
    an upstream again under another endpoint's name; `asked` are those that had their attempts.
    """
    if not error.kind.may_fall_back:
        return None
    for one in candidates:
        if error.kind.may_retry or one.upstream not in asked:
            return one
    return None
