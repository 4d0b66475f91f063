"""Budgets of one machine: what is spent lies in a file that survives, what is reserved does not.

`budgets` in the working directory's `.tollway` is a table of slots of six 64-bit words: the budget's key (two
words), when its period began and when it ends, and what is spent. Every worker maps it. What calls in flight
have reserved is of a run of the gateway: the sum of each slot in the folder that its workers share, and
beside it what each worker has reserved, which a worker that replaces a dead one takes back first. One worker
alone has both in its own memory, and needs no lock.

The order of writes keeps it safe wherever a process is killed: an amount is spent before its reservation
ends, and reserved for all before the worker notes it as its own. At the worst a reservation stays until the
period ends; what is spent is never forgotten.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
from pathlib import Path
from time import monotonic, sleep

from tollway.tracing.compiled import accept_proxies

from .budget import Budget
from .periods import Window
from .store import Alert, BudgetFileError, Denial, Starts

SLOTS = 8192

PATIENCE_S = 3.0
_PAUSE_S = 0.05
_HEADER_WORDS = 8
_RUN = 0
"""Of the header: which run of a gateway has the file open."""

_WORDS = 6
_KEY, _START, _END, _SPENT = 0, 2, 3, 4
"""Where in a slot what is."""

_LINGER_S = 86_400
"""How long a slot is kept after the end of its period: calls that began in it have ended by then."""

_LARGEST = 2**61
"""No amount grows beyond it: two million USD."""


class BudgetFile:
    """The budgets of all workers of a gateway (see the module); in each of them for one thread.

    `state` is the folder of what survives, `share` the folder that workers share and which of them this is.

    Raises:
        BudgetFileError: the files cannot be made, or another gateway uses the folder.
    """

    def __init__(
        self,
        state: Path,
        now_s: Callable[[], float],
        share: tuple[str, int] | None = None,
        *,
        slots: int = SLOTS,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.now_s = now_s
        self.placed: dict[bytes, Budget] = {}
        self._slots = slots
        try:
            self._open(state, share, patience_s)
        except OSError as error:
            message = f"what is spent of the budgets cannot be kept in {state}: {error.strerror}"
            raise BudgetFileError(message) from error

    def _open(self, state: Path, share: tuple[str, int] | None, patience_s: float) -> None:
        slots = self._slots
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = _open(state / "budgets")
        self._lock = None if share is None else _open(Path(share[0]) / "budgets")
        run = 0 if share is None else int.from_bytes(os.fsencode(share[0])[-7:], "little")
        _own(self._file, run, state, patience_s)
        with self._locked():  # else a worker that finds the file short writes over what another wrote by then
            self._memory = _mapped(self._file, (_HEADER_WORDS + slots * _WORDS) * 8)
        self._words: MutableSequence[int] = memoryview(self._memory).cast("q")  # type: ignore[assignment]  # typeshed has no item types of a cast view
        self._words[_RUN] = run
        self._own: MutableSequence[int] | None = None
        if share is None or self._lock is None:
            self._reserved: MutableSequence[int] = memoryview(bytearray(slots * 8)).cast("q")  # type: ignore[assignment]  # typeshed has no item types of a cast view
        else:
            own = _open(Path(share[0]) / f"budgets.{share[1]}")
            with self._locked():
                self._reserved = memoryview(_mapped(self._lock, slots * 8)).cast("q")  # type: ignore[assignment]  # typeshed has no item types of a cast view
            taken: MutableSequence[int] = memoryview(_mapped(own, slots * 16)).cast("q")  # type: ignore[assignment]  # typeshed has no item types of a cast view
            os.close(own)
            with self._locked():
                self._take_back(taken)
            self._own = taken

    def place(self, budget: Budget) -> None:
        """See `BudgetStore.place`."""
        first, second = _key_words(budget.key)
        with self._locked():
            budget.slot = slot = self._find(first, second)
            window = budget.window(self.now_s())
            if self._words[_HEADER_WORDS + slot * _WORDS + _START] < window.start_s:
                self._begin(slot, window)
        placed = self.placed
        placed[budget.key] = budget

    def reserve_nowait(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        """See `BudgetStore.reserve_nowait`."""
        lock = self._lock
        picousd = min(picousd, _LARGEST)
        if lock is None:
            return self._reserve(budgets, picousd)
        flock(lock, LOCK_EX)
        try:
            return self._reserve(budgets, picousd)
        finally:
            flock(lock, LOCK_UN)

    async def reserve(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        """See `BudgetStore.reserve`."""
        return self.reserve_nowait(budgets, picousd)

    def charge(
        self, budgets: Sequence[Budget], starts: Starts, held: int, picousd: int, alert: Alert
    ) -> None:
        """See `BudgetStore.charge`. What was reserved in a period that is over is forgotten with it."""
        lock = self._lock
        picousd = min(picousd, _LARGEST)
        held = min(held, _LARGEST)  # as when it was reserved
        if lock is None:
            passed = self._charge(budgets, starts, held, picousd)
        else:
            flock(lock, LOCK_EX)
            try:
                passed = self._charge(budgets, starts, held, picousd)
            finally:
                flock(lock, LOCK_UN)
        if passed is not None:
            for budget, spent in passed:
                alert(budget, spent)

    def _reserve(self, budgets: Sequence[Budget], picousd: int) -> Starts | Denial:
        words, reserved, own = self._words, self._reserved, self._own
        now_s = self.now_s()
        for budget in budgets:
            at = budget.slot * _WORDS + _HEADER_WORDS
            if now_s >= words[at + _END]:
                self._begin(budget.slot, budget.window(now_s))
            spent = words[at + _SPENT]
            if spent + reserved[budget.slot] >= budget.amount_picousd:
                return Denial(budget, budget.window(now_s), spent >= budget.amount_picousd)
        starts = []
        for budget in budgets:
            slot = budget.slot
            start_s = words[slot * _WORDS + _HEADER_WORDS + _START]
            reserved[slot] += picousd
            if own is not None:
                self._note(slot, start_s, picousd)
            starts.append(start_s)
        return starts

    def _charge(
        self, budgets: Sequence[Budget], starts: Starts, held: int, picousd: int
    ) -> list[tuple[Budget, int]] | None:
        words, reserved, own = self._words, self._reserved, self._own
        passed: list[tuple[Budget, int]] | None = None
        for budget, start_s in zip(budgets, starts, strict=True):
            slot = budget.slot
            at = slot * _WORDS + _HEADER_WORDS
            if own is not None:
                self._note(slot, start_s, -held)
            if words[at + _START] != start_s:
                continue
            before = words[at + _SPENT]
            after = before + picousd
            words[at + _SPENT] = after if after < _LARGEST else _LARGEST
            reserved[slot] -= held
            if budget.alert_picousd is not None and before < budget.alert_picousd <= after:
                passed = [*(passed or ()), (budget, after)]
        return passed

    def spent(self, budget: Budget) -> tuple[int, int]:
        """See `BudgetStore.spent`."""
        at = _HEADER_WORDS + budget.slot * _WORDS
        if self._words[at + _START] < budget.window(self.now_s()).start_s:
            return 0, 0
        return self._words[at + _SPENT], self._reserved[budget.slot]

    def note(self, budget: Budget, start_s: int, picousd: int) -> None:
        """Note what is spent in a period elsewhere too, where that is more than is known here."""
        with self._locked():
            words, at = self._words, budget.slot * _WORDS + _HEADER_WORDS
            if words[at + _START] < start_s:
                self._begin(budget.slot, budget.window(start_s))
            if words[at + _START] == start_s and words[at + _SPENT] < picousd:
                words[at + _SPENT] = min(picousd, _LARGEST)

    async def stop(self) -> None:
        """See `BudgetStore.stop`."""

    def close(self) -> None:
        """See `BudgetStore.close`: what is spent is on the disk when this returns."""
        self._memory.flush()
        flock(self._file, LOCK_UN)

    def _begin(self, slot: int, window: Window) -> None:
        """Begin a period: nothing is spent, and what was reserved before counts in the one before."""
        words, reserved, at = self._words, self._reserved, _HEADER_WORDS + slot * _WORDS
        words[at + _SPENT] = 0
        reserved[slot] = 0
        words[at + _END] = window.end_s
        words[at + _START] = window.start_s

    def _find(self, first: int, second: int) -> int:
        """Return the slot of a budget: its own, one that nobody has, or one whose period is over."""
        words, over_s = self._words, self.now_s() - _LINGER_S
        free = -1
        for slot in range(self._slots):
            at = _HEADER_WORDS + slot * _WORDS
            if words[at] == first and words[at + 1] == second:
                return slot
            is_free = not (words[at] or words[at + 1])
            if free < 0 and (is_free or words[at + _END] < over_s):
                free = slot
            if is_free:
                break
        if free < 0:
            raise BudgetFileError(f"there is no place for more than {self._slots} budgets")
        at = _HEADER_WORDS + free * _WORDS
        words[at] = words[at + 1] = 0
        for word in range(_START, _WORDS):
            words[at + word] = 0
        words[at + 1] = second
        words[at] = first
        return free

    def _note(self, slot: int, start_s: int, picousd: int) -> None:
        """Note what this worker has reserved: the period, and the amount."""
        own = self._own
        assert own is not None
        if own[2 * slot] == start_s:
            own[2 * slot + 1] += picousd
        elif picousd > 0:
            own[2 * slot + 1] = picousd
            own[2 * slot] = start_s

    def _take_back(self, own: MutableSequence[int]) -> None:
        """Take back what the worker had reserved whose place this one takes."""
        for slot in range(self._slots):
            start_s, held = own[2 * slot], own[2 * slot + 1]
            if held and start_s == self._words[_HEADER_WORDS + slot * _WORDS + _START]:
                self._reserved[slot] -= min(held, self._reserved[slot])
            if held:
                own[2 * slot + 1] = 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        flock(self._lock, LOCK_EX)
        try:
            yield
        finally:
            flock(self._lock, LOCK_UN)


accept_proxies(BudgetFile)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _own(file: int, run: int, state: Path, patience_s: float) -> None:
    """Lock the file for as long as this process lives: alone, or with the other workers of its run.

    One that was just killed may have workers that end in this moment, so it is asked for a while.
    """
    until_s = monotonic() + patience_s
    while not _owns(file, run):
        if monotonic() >= until_s:
            raise BudgetFileError(
                f"another gateway keeps its budgets in {state}: start this one in another working directory"
            )
        sleep(_PAUSE_S)


def _owns(file: int, run: int) -> bool:
    """Try once to lock the file."""
    try:
        flock(file, (LOCK_EX if not run else LOCK_SH) | LOCK_NB)
        before = int.from_bytes(os.pread(file, 8, _RUN * 8), "little", signed=True)
        if not run or before == run:
            return True
        flock(file, LOCK_EX | LOCK_NB)  # nobody has it: it is this run's from now on
        os.pwrite(file, run.to_bytes(8, "little", signed=True), _RUN * 8)
        flock(file, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        flock(file, LOCK_UN)
        return False
    return True


def _mapped(file: int, size: int) -> mmap.mmap:
    missing = size - os.fstat(file).st_size
    if missing > 0:  # written, not truncated: on a full disk that fails here, and not at a later call
        os.pwrite(file, bytes(missing), size - missing)
    return mmap.mmap(file, size)


def _key_words(key: bytes) -> tuple[int, int]:
    return int.from_bytes(key[:8], "little", signed=True), int.from_bytes(key[8:], "little", signed=True)
