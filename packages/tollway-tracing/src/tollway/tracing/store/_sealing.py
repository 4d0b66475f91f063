"""Which days are sealed when: by a command, or by a store's writer in quiet moments."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from tollway.tracing.readers import Progress
from tollway.tracing.summary import day_of

from ._layout import is_day
from ._reader import StoreReader
from ._seal import Sealed, SealError, Steps, seal_steps
from ._unseal import unseal_steps
from ._zstd import MissingZstdError, zstd

_logger = logging.getLogger(__name__)

NS_PER_S = 1_000_000_000

LOOK_EVERY_S = 300.0
"""How often a writer looks for days to seal."""


def _no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def seal(
    store: StoreReader,
    days: Iterable[str] | None = None,
    *,
    older_than_s: float = 0.0,
    progress: Progress = _no_progress,
) -> Sealed:
    """Compress days into segments; return what was done. Readers see their traces all the time.

    days: `YYYY-MM-DD` each; without them all that ended more than `older_than_s` ago. A day can be sealed
    from an hour after its end (UTC). What came to a sealed day since goes into its segments as well.
    progress: told (traces, of how many) of each day. Raises SealError, MissingZstdError, and OSError, after
    which traces are where they were, or sealed: seal again.
    """
    zstd()
    result = Sealed()
    for day in due(store, older_than_s) if days is None else days:
        _check(store, day)
        for done, total in seal_steps(store, day, result):
            progress(done, total)
    return result


def unseal(store: StoreReader, day: str, *, progress: Progress = _no_progress) -> int:
    """Make files of a day's segments again, byte for byte; return how many traces they had.

    Raises SealError, MissingZstdError, and OSError.
    """
    zstd()
    _check(store, day)
    traces = sum(segment.count for segment in store.sealed.day(day).segments)
    for done, total in unseal_steps(store, day):
        progress(done, total)
    return traces


def _check(store: StoreReader, day: str) -> None:
    if not is_day(day):
        raise SealError(f"{day!r} is not a day: write YYYY-MM-DD")
    if day not in store.layout.days():
        raise SealError(f"there is no day {day} in {str(store.layout.root)!r}")


def due(store: StoreReader, older_than_s: float = 0.0) -> list[str]:
    """Return the days that ended so long ago, oldest first."""
    before = day_of(max(0, store.layout.now_ns() - round(older_than_s * NS_PER_S)))
    return [day for day in store.layout.days() if day < before and store.layout.may_be_sealed(day)]


class AutoSeal:
    """Seals days of a certain age, step by step. after_s: since a day's end; None seals nothing."""

    def __init__(self, store: StoreReader, after_s: float | None) -> None:
        self._store = store
        self._after_s = after_s
        self._steps: Steps | None = None
        self._days: list[str] = []
        self._looked_s: float | None = None
        self._failed = False

    def step(self, now_s: float) -> bool:
        """Do a little; return whether there is more to do now. Raises nothing: it is tried again later."""
        if self._after_s is None:
            return False
        try:
            return self._step(now_s, self._after_s)
        except MissingZstdError as error:
            self._after_s = None
            _logger.error("days are not sealed: %s", error)
        except (SealError, FileNotFoundError) as error:
            _logger.debug("a day is not sealed now: %s", error)  # another process does it, or it was pruned
        except OSError as error:
            if not self._failed:
                self._failed = True
                _logger.warning("cannot seal a day of %s: %s (tried again)", self._store.layout.root, error)
        self._steps = None
        return False

    def _step(self, now_s: float, after_s: float) -> bool:
        if self._steps is None and not self._days:
            if self._looked_s is not None and now_s - self._looked_s < LOOK_EVERY_S:
                return False
            self._looked_s = now_s
            self._days = [day for day in due(self._store, after_s) if self._has_work(day, after_s)]
            zstd()
        if self._steps is None:
            if not self._days:
                return False
            self._steps = seal_steps(self._store, self._days.pop(0), Sealed())
        if next(self._steps, None) is None:
            self._steps, self._failed = None, False
        return True

    def _has_work(self, day: str, after_s: float) -> bool:
        """Return whether something lies beside a day's segments, if that is to be sealed by now."""
        sealed_ns = self._store.sealed.stamp(day)[1]
        is_due = self._store.layout.now_ns() - sealed_ns >= after_s * NS_PER_S
        return is_due and any(self._store.ids_beside(day))

    def close(self) -> None:
        """Leave what is half done to the next time."""
        if self._steps is not None:
            self._steps.close()
        self._steps, self._days = None, []
