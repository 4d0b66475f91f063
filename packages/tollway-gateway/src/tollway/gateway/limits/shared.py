"""Buckets that all worker processes of one machine take from: they lie in a file that each of them maps.

The file is a table of slots of eight 64-bit words: the bucket's key (two words), whether the slot is reserved
and which of two places counts, the rate's speed, and the two places: what is missing and since when.
A new state is written to the other place and then one word says that it counts, so that a bucket is right at
any moment, wherever the process that writes is killed. Who reads and writes has locked the file; the kernel
ends the lock of a process that dies. A file of zeros is a table without buckets.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from tollway.tracing.compiled import accept_proxies

from .bucket import Claim, Decision, adjusted, allows, decision, missing_at
from .rate import Rate

SLOTS = 32_768
_WORDS = 8
_STATE = 2
_SPEED = 3
_PLACES = 4
"""Where in a slot what is; the key is first."""

_COUNTS = 1
_RESERVED = 2
"""Bits of the state: which place counts, and whether the slot is never given up."""

_WINDOW = 32
"""A bucket lies in one of so many slots, from the one that its key names."""

_words_of = struct.Struct("=qq").unpack

_lock, _LOCK_EX, _LOCK_UN = fcntl.flock, fcntl.LOCK_EX, fcntl.LOCK_UN


class SharedStore:
    """The buckets of all processes that open the same `folder`; in each of them for one thread.

    `clock_ns` is one that all processes share, and is read when the lock is held. See `LocalStore` for what
    is forgotten when there are too many buckets.

    Raises:
        OSError: there is no place for its file.
    """

    def __init__(
        self,
        folder: str,
        clock_ns: Callable[[], int],
        *,
        slots: int = SLOTS,
        on_evict: Callable[[], object] = int,
    ) -> None:
        self._clock_ns = clock_ns
        self._slots = slots
        self._file = os.open(Path(folder) / "limits", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        self._words = memoryview(self._mapped(slots * _WORDS * 8)).cast("q")
        self._known: dict[bytes, tuple[int, int, int]] = {}
        """Where buckets were found the last time, each with its key in words."""
        self._on_evict = on_evict

    def _mapped(self, size: int) -> mmap.mmap:
        _lock(self._file, _LOCK_EX)
        try:
            missing = size - os.fstat(self._file).st_size
            if missing > 0:  # written, not truncated: on a full disk that fails here, and not at a later call
                os.pwrite(self._file, bytes(missing), size - missing)
            return mmap.mmap(self._file, size)
        finally:
            _lock(self._file, _LOCK_UN)

    def reserve(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.reserve`."""
        _lock(self._file, _LOCK_EX)
        try:
            at = self._slot(rate, key, self._now_us())
            self._words[at + _STATE] |= _RESERVED
        finally:
            _lock(self._file, _LOCK_UN)

    def release(self, rate: Rate, key: bytes) -> None:
        """See `LimitStore.release`."""
        _lock(self._file, _LOCK_EX)
        try:
            at = self._slot(rate, key, self._now_us())
            self._words[at + _STATE] &= ~_RESERVED
        finally:
            _lock(self._file, _LOCK_UN)

    def take_nowait(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take_nowait`."""
        _lock(self._file, _LOCK_EX)
        try:
            now_us = self._now_us()
            all_allowed = True
            for claim in claims:
                rate, key = claim.rate, claim.key
                missing = self._missing(self._slot(rate, key, now_us), rate, now_us)
                all_allowed = allows(rate, missing, claim.tokens) and all_allowed
            decisions = []
            for claim in claims:
                rate, key, tokens = claim.rate, claim.key, claim.tokens
                at = self._slot(rate, key, now_us)
                missing = self._missing(at, rate, now_us)
                if all_allowed:
                    missing += tokens * rate.interval
                    self._write(at, missing, now_us)
                decisions.append(
                    decision(rate, missing, tokens, all_allowed or allows(rate, missing, tokens))
                )
            return decisions
        finally:
            _lock(self._file, _LOCK_UN)

    async def take(self, claims: Sequence[Claim]) -> list[Decision]:
        """See `LimitStore.take`."""
        return self.take_nowait(claims)

    def adjust(self, claims: Sequence[Claim]) -> None:
        """See `LimitStore.adjust`."""
        _lock(self._file, _LOCK_EX)
        try:
            now_us = self._now_us()
            for claim in claims:
                rate, key = claim.rate, claim.key
                at = self._slot(rate, key, now_us)
                self._write(at, adjusted(rate, self._missing(at, rate, now_us), claim.tokens), now_us)
        finally:
            _lock(self._file, _LOCK_UN)

    def note(self, claims: Sequence[Claim], missing: Sequence[int]) -> None:
        """See `LimitStore.note`."""
        _lock(self._file, _LOCK_EX)
        try:
            now_us = self._now_us()
            for claim, one in zip(claims, missing, strict=True):
                rate, key = claim.rate, claim.key
                self._write(self._slot(rate, key, now_us), one, now_us)
        finally:
            _lock(self._file, _LOCK_UN)

    async def start(self) -> None:
        """See `LimitStore.start`."""

    async def close(self) -> None:
        """See `LimitStore.close`."""

    def _now_us(self) -> int:
        now_ns = self._clock_ns()
        return now_ns // 1000

    def _missing(self, at: int, rate: Rate, now_us: int) -> int:
        words = self._words
        place = at + _PLACES + 2 * (words[at + _STATE] & _COUNTS)
        return missing_at(rate, words[place], words[place + 1], now_us)

    def _write(self, at: int, missing: int, now_us: int) -> None:
        words = self._words
        state = words[at + _STATE] ^ _COUNTS
        place = at + _PLACES + 2 * (state & _COUNTS)
        words[place] = missing
        words[place + 1] = now_us
        words[at + _STATE] = state

    def _slot(self, rate: Rate, key: bytes, now_us: int) -> int:
        """Return where the bucket is, or where it is from now on."""
        words, all_known = self._words, self._known
        known = all_known.get(key)
        if known is not None:
            at, first, second = known
            if words[at] == first and words[at + 1] == second:
                return at
        first, second = _words_of(key)
        at = self._find(rate, first, second, now_us)
        if len(all_known) >= self._slots:
            all_known.clear()
        all_known[key] = at, first, second
        return at

    def _find(self, rate: Rate, first: int, second: int, now_us: int) -> int:
        words = self._words
        start = first % self._slots
        free, free_at_us = -1, 0
        for place in range(start, start + _WINDOW):
            at = place % self._slots * _WORDS
            if words[at] == first and words[at + 1] == second:
                return at
            if not words[at + _STATE] & _RESERVED:
                full_at_us = self._full_at_us(at)
                if free < 0 or full_at_us < free_at_us:
                    free, free_at_us = at, full_at_us
        return self._claim(free, free_at_us > now_us, rate, first, second)

    def _full_at_us(self, at: int) -> int:
        words = self._words
        speed = words[at + _SPEED]
        place = at + _PLACES + 2 * (words[at + _STATE] & _COUNTS)
        return words[place + 1] - (-words[place] // speed) if speed else 0

    def _claim(self, at: int, evicts: bool, rate: Rate, first: int, second: int) -> int:
        """Make a slot that of a bucket which is full; one without a reserved place is always found."""
        if at < 0:
            raise OSError("too many limits: the table of shared buckets has no place for another one")
        if evicts:
            self._on_evict()
        words = self._words
        words[at] = words[at + 1] = 0  # it is nobody's until all is written
        for word in range(_STATE, _WORDS):
            words[at + word] = 0
        words[at + _SPEED] = rate.speed
        words[at + 1] = second
        words[at] = first
        return at


accept_proxies(SharedStore)
