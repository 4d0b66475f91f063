"""Which providers are installed, and the one that a config names.

A provider registers by an entry point of the group `tollway.providers`. Looking at what is installed imports
nothing; only the provider that is asked for is imported.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from ._base import Provider
from .errors import ProviderImportError, ProviderNotFoundError

GROUP = "tollway.providers"
"""The entry-point group that every provider registers in, built in or not."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A provider that a config may name, and the distribution that brought it."""

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint


def normalise(name: str) -> str:
    """Return the form that names are compared in: case and the choice of `_` or `-` do not matter."""
    return name.strip().lower().replace("_", "-")


def installed() -> dict[str, Installed]:
    """Return what is installed by normalised name, in order of name; imports nothing."""
    return {name: offers[0] for name, offers in sorted(_offers().items())}


def load(name: str) -> type[Provider]:
    """Import the provider that goes by `name`.

    Raises:
        ProviderNotFoundError: nothing installed goes by that name, or more than one distribution does.
        ProviderImportError: it is installed and does not import, or is no `Provider`.
    """
    all_offers = _offers()
    offers = all_offers.get(normalise(name), [])
    if not offers:
        raise ProviderNotFoundError(_not_found(name, sorted(all_offers)))
    if len(offers) > 1:
        rivals = ", ".join(offer.distribution for offer in offers)
        raise ProviderNotFoundError(f"provider {name!r} is offered by {rivals}: uninstall all but one")
    return _import(offers[0])


def _offers() -> dict[str, list[Installed]]:
    offers: defaultdict[str, list[Installed]] = defaultdict(list)
    for point in entry_points(group=GROUP):
        name = normalise(point.name)
        distribution, version = (point.dist.name, point.dist.version) if point.dist else ("unknown", "")
        offers[name].append(Installed(name, distribution, version, point))
    for same_name in offers.values():
        same_name.sort(key=lambda offer: offer.distribution)
    return offers


def _import(found: Installed) -> type[Provider]:
    where = f"provider {found.name!r} of {found.distribution} {found.version}"
    try:
        provider = found.entry_point.load()
    except (Exception, SystemExit) as cause:  # a plugin may fail in any way it likes; the others still serve
        raise ProviderImportError(f"{where} does not import: {type(cause).__name__}: {cause}") from cause
    if not (isinstance(provider, type) and issubclass(provider, Provider)):
        raise ProviderImportError(
            f"{where} is not a provider: {found.entry_point.value} is not a BaseProvider or HTTPProvider"
        )
    return provider


def _not_found(name: str, known: list[str]) -> str:
    return (
        f"no installed provider is called {name!r}; installed: {', '.join(known) or 'none'}. "
        f"If a plugin brings it, install that: pip install tollway-{normalise(name)}"
    )
