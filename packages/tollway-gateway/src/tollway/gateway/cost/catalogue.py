"""Public price lists, of genai-prices: which vendor, which model, which prices at this time.

https://github.com/pydantic/genai-prices. How models are matched and conditions chosen is its own rule; tests
compare the two over all of its data. Nothing here goes to the network: the prices are those of the installed
version.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from typing import Any, NamedTuple

from tollway.gateway.first_use import FirstUse

from .money import price_of
from .prices import PriceList

_log = logging.getLogger(__name__)

_TIERS: Mapping[str, tuple[str, int]] = {
    "input_mtok": ("input", 1_000_000),
    "output_mtok": ("output", 1_000_000),
    "cache_read_mtok": ("cached_input", 1_000_000),
    "cache_write_mtok": ("cache_write", 1_000_000),
    "cache_write_5m_mtok": ("cache_write", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h", 1_000_000),
    "output_reasoning_mtok": ("reasoning", 1_000_000),
    "input_audio_mtok": ("input_audio", 1_000_000),
    "output_audio_mtok": ("output_audio", 1_000_000),
    "input_image_mtok": ("input_image", 1_000_000),
    "output_image_mtok": ("output_image", 1_000_000),
    "cache_audio_read_mtok": ("cached_input_audio", 1_000_000),
    "cache_image_read_mtok": ("cached_input_image", 1_000_000),
    "requests_kcount": ("request", 1_000),
    "web_searches_kcount": ("web_search", 1_000),
}
"""Its keys, ours, and for how many each price is."""

_ALIASES = {"x_ai": "x-ai", "togetherai": "together"}
"""Names of services that genai-prices does not know under them."""

_DATED = r"[-@:](?:20\d{2}-?\d{2}-?\d{2}|\d{3,4}|latest)"
"""What follows the name of a model where a service answers with the version of it that it runs."""

_COMPACT_DATE = r"(-)(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)"


class Dated(NamedTuple):
    """A price list, and the Unix time in seconds from which on another one may hold."""

    prices: PriceList
    until_s: float


class Vendor:
    """Who is paid for an endpoint's calls; nobody is known before the catalogue is loaded."""

    def __init__(self, names: Iterable[str], url: str | None) -> None:
        self.names = tuple(names)
        self.url = url
        self.id: str | None = None
        """Its name in genai-prices; None when it has none."""
        self._models: list[tuple[Any, bool]] = []

    def take(self, providers: list[Any]) -> None:
        """Keep what is this vendor's of all that there is."""
        found = _provider(providers, self.names, self.url)
        if found is None:
            return
        self.id = found.id
        others = {one.id: one for one in providers}
        second = [others[name] for name in found.fallback_model_providers or () if name in others]
        self._models = [(model, one is found) for one in (found, *second) for model in one.models or ()]

    def prices(self, model: str, asked_for: str, tier: str | None, now_s: float) -> Dated | None:
        """Return the prices of the model that answered; None when it is not known.

        A version of a model that is not listed yet has the prices of the model that was asked for.
        """
        entry = self._find(model)
        if entry is None and model.lower().startswith(asked_for.lower()):
            rest = model[len(asked_for) :]
            entry = self._find(asked_for) if not rest or re.fullmatch(_DATED, rest) else None
        if entry is None:
            return None
        found, is_own = entry
        return _dated(found, tier if is_own else None, now_s)

    def _find(self, name: str) -> tuple[Any, bool] | None:
        name = name.lower()
        for text in dict.fromkeys((name, _with_dashes(name))):
            for model, is_own in self._models:
                if _matches(model.match, text):
                    return model, is_own
        return None


class Catalogue:
    """The vendors of a gateway's endpoints; loaded in a thread when the first call needs a price."""

    def __init__(self, providers: Callable[[], list[Any]] | None = None) -> None:
        self._providers = providers or _installed
        self._vendors: list[Vendor] = []
        self._loading = FirstUse(self._load, freezes=False)
        self.is_loaded = False

    def vendor(self, names: Iterable[str], url: str | None) -> Vendor:
        """Return the vendor that a service's names or address mean, to be known when this is loaded."""
        vendor = Vendor(names, url)
        self._vendors.append(vendor)
        return vendor

    async def load(self) -> None:
        """Load the prices; who comes meanwhile waits for the same. Never raises: then there are none."""
        await self._loading.get()

    def begin(self) -> None:
        """Begin to load the prices, in the running event loop."""
        self._loading.begin()

    def load_now(self) -> None:
        """Load the prices in this thread."""
        if not self.is_loaded:
            self._load()

    def _load(self) -> None:
        try:
            providers = self._providers()
            for vendor in self._vendors:
                vendor.take(providers)
        except Exception:
            _log.warning("the price lists of genai-prices cannot be read: costs are unknown", exc_info=True)
        self.is_loaded = True


def _installed() -> list[Any]:
    from ._genai_data import providers

    return providers()


def _provider(providers: list[Any], names: Iterable[str], url: str | None) -> Any:
    """Find a provider by its address, else by a name of it, as genai-prices does."""
    for one in providers if url else ():
        if re.match(one.api_pattern, url or ""):
            return one
    wanted = [_ALIASES.get(name, name) for name in (name.lower().strip() for name in names)]
    for name in wanted:
        for one in providers:
            if one.id == name:
                return one
    for name in wanted:
        for one in providers:
            if one.provider_match is not None and _matches(one.provider_match, name):
                return one
    return None


_CLAUSES: Mapping[str, Callable[[Any, str], bool]] = {
    "ClauseEquals": lambda clause, text: text == clause.equals.lower(),
    "ClauseStartsWith": lambda clause, text: text.startswith(clause.starts_with.lower()),
    "ClauseEndsWith": lambda clause, text: text.endswith(clause.ends_with.lower()),
    "ClauseContains": lambda clause, text: clause.contains.lower() in text,
    "ClauseRegex": lambda clause, text: re.search(clause.regex, text) is not None,
    "ClauseOr": lambda clause, text: any(_matches(one, text) for one in clause.or_),
    "ClauseAnd": lambda clause, text: all(_matches(one, text) for one in clause.and_),
}


def _matches(clause: Any, text: str) -> bool:
    return _CLAUSES[type(clause).__name__](clause, text)


def _with_dashes(name: str) -> str:
    """Write a date inside a name as `-2025-12-11`, where it is `-20251211`."""

    def written(match: re.Match[str]) -> str:
        try:
            day = date(int(match[2]), int(match[3]), int(match[4]))
        except ValueError:
            return match[0]
        return f"-{day.isoformat()}"

    return re.sub(_COMPACT_DATE, written, name)


def _dated(model: Any, tier: str | None, now_s: float) -> Dated:
    """Return the prices of a model that hold now, and until when."""
    now = datetime.fromtimestamp(now_s, UTC)
    conditional = [(model.prices, None)]
    if isinstance(model.prices, list):
        conditional = [(one.prices, one.constraint) for one in model.prices]
    active = [prices for prices, constraint in conditional if _is_active(constraint, now)]
    values = dict(vars(active[-1] if active else conditional[0][0]))
    variants = model.price_variants or () if tier is not None else ()
    chosen: dict[str, Any] = {}
    for variant in variants:
        if _fits(variant.when, tier) and _is_active(variant.constraint, now):
            for key, value in vars(variant.prices).items():
                if value is not None:
                    chosen.setdefault(key, value)
    constraints = [constraint for _, constraint in conditional] + [one.constraint for one in variants]
    until_s = min((_changes_s(constraint, now) for constraint in constraints), default=math.inf)
    return Dated(_price_list(values | chosen), until_s)


def _fits(when: Mapping[str, str], tier: str | None) -> bool:
    """Return whether a variant is that of a service tier; Anthropic calls batches one, others do not."""
    context = {"service_tier": tier, "processing": "batch" if tier == "batch" else None}
    return all(context.get(key) == value for key, value in when.items())


def _is_active(constraint: Any, now: datetime) -> bool:
    if constraint is None:
        return True
    if (first_day := getattr(constraint, "start_date", None)) is not None:
        return bool(now.date() >= first_day)
    start, end = _utc(constraint.start_time), _utc(constraint.end_time)
    clock = now.time()
    return clock >= start or clock < end if end < start else start <= clock < end


def _changes_s(constraint: Any, now: datetime) -> float:
    """Return when a constraint becomes active or stops to be, in Unix time; infinity for never again."""
    if constraint is None:
        return math.inf
    if (first_day := getattr(constraint, "start_date", None)) is not None:
        start = datetime.combine(first_day, day_time(), UTC)
        return start.timestamp() if start > now else math.inf
    moments = [
        datetime.combine(now.date() + timedelta(days), _utc(clock), UTC)
        for clock in (constraint.start_time, constraint.end_time)
        for days in (0, 1)
    ]
    return min(moment.timestamp() for moment in moments if moment > now)


def _utc(clock: day_time) -> day_time:
    """Return a time of day in UTC, which one without a time zone is already."""
    if clock.tzinfo is None:
        return clock
    return datetime.combine(date(1970, 1, 1), clock).astimezone(UTC).time()


def _price_list(values: Mapping[str, Any]) -> PriceList:
    """Make a price list of genai-prices' keys; what it has no tier for (hours, pages) is left out."""
    known = {key: value for key, value in values.items() if value is not None and key in _TIERS}
    starts = sorted({tier.start for value in known.values() for tier in getattr(value, "tiers", None) or ()})
    above = tuple((start, PriceList(_at(known, start))) for start in starts)
    return PriceList(_at(known, -1), above)


def _at(values: Mapping[str, Any], start: int) -> dict[str, int]:
    """Return the prices of requests with more input tokens than `start`."""
    found = {}
    for key, value in values.items():
        tier, per = _TIERS[key]
        usd = value
        if getattr(value, "tiers", None) is not None:
            reached = [one for one in sorted(value.tiers, key=_start) if one.start <= start]
            usd = reached[-1].price if reached else value.base
        found[tier] = price_of(usd, per)
    return found


def _start(tier: Any) -> int:
    return int(tier.start)
