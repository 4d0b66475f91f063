"""What the parts of one gateway share, whatever its configuration: it outlives each of them."""

from __future__ import annotations

import os
import random as chance
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tollway.gateway.conversations import Conversations
from tollway.gateway.guard.calls import CallLimits
from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.limits import LimitStore, LocalStore, SharedStore
from tollway.gateway.telemetry import Metrics
from tollway.gateway.upstream import HTTP1Client, Pools

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from tollway.gateway.budgets.remote import RemoteBudgets
    from tollway.gateway.budgets.store import BudgetStore


@dataclass(frozen=True, slots=True)
class Share:
    """What the workers of one gateway have in common: a folder; and which of them this one is."""

    folder: str
    worker: int


class Runtime:
    """Clocks, chance and ids (tests bring their own), connections, threads, counts, what workers share.

    `clock_ns` and `clock_s` are monotonic and count nanoseconds and seconds; `now_s` is Unix time in seconds;
    `random` gives a number in [0, 1). `is_local` says that only this machine reaches the gateway.
    What survives a restart is in the folder `TOLLWAY_STATE` of the environment, else in `.tollway`.
    """

    def __init__(
        self,
        environ: Mapping[str, str] = os.environ,
        *,
        share: Share | None = None,
        is_local: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        clock_s: Callable[[], float] = time.perf_counter,
        now_s: Callable[[], int] = lambda: int(time.time()),
        random: Callable[[], float] = chance.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.environ = environ
        self.share = share
        self.is_local = is_local
        self.clock_ns = clock_ns
        self.clock_s = clock_s
        self.now_s = now_s
        self.random = random
        self.new_id = new_id
        self.metrics = Metrics() if share is None else Metrics(share.folder, share.worker)
        on_evict = self.metrics.evicted_bucket
        self.limits: LimitStore = (
            LocalStore(clock_ns, on_evict=on_evict)
            if share is None
            else SharedStore(share.folder, clock_ns, on_evict=on_evict)
        )
        self.calls = CallLimits(self.metrics)
        self.threads = DaemonThreads("tollway-predict")
        self._pools = Pools(environ)
        self._state = environ.get("TOLLWAY_STATE") or ".tollway"
        self._storage = "shared"
        self.conversations = Conversations(self.folder)
        self._budgets: BudgetStore | None = None

    def new_client(self, max_answer_bytes: int) -> HTTP1Client:
        """Return a client, to be closed when its last request has ended; all share their connections."""
        return HTTP1Client(
            max_answer_bytes=max_answer_bytes, on_resend=self.metrics.resent, pools=self._pools
        )

    def keep_limits_in(self, storage: str) -> None:
        """Keep the buckets of limits where the configuration says: `shared`, or the URL of a Redis."""
        self._storage = storage
        if storage != "shared":
            from tollway.gateway.limits.remote import remote_store  # most gateways need none

            metrics = self.metrics
            self.limits = remote_store(
                storage, self.limits, on_change=metrics.watch_storage(), on_local=metrics.decided_locally
            )

    def budgets(self) -> BudgetStore:
        """Return where budgets are kept, opened when the first one is wired. Raises BudgetFileError."""
        if self._budgets is None:
            from tollway.gateway.budgets.file import BudgetFile  # most gateways have none

            share = None if self.share is None else (self.share.folder, self.share.worker)
            self._budgets = local = BudgetFile(Path(self._state), self.now_s, share)
            if self._storage != "shared":
                from tollway.gateway.budgets.remote import remote_budgets

                self._budgets = remote = remote_budgets(self._storage, local)
                self.metrics.sources.append(lambda: _storage_families(remote))
            self.metrics.sources.append(self._budget_families)
        return self._budgets

    @property
    def opened_budgets(self) -> BudgetStore | None:
        """Where budgets are kept; None where none was wired."""
        return self._budgets

    def _budget_families(self) -> Iterable[Metric]:
        from tollway.gateway.budgets.collector import families_of

        return () if self._budgets is None else families_of(self._budgets)

    async def stop(self) -> None:
        """Let other machines know what was spent here."""
        if self._budgets is not None:
            await self._budgets.stop()

    def close(self) -> None:
        """Let go of what outlives requests: amounts that were spent are on the disk when this returns."""
        if self._budgets is not None:
            self._budgets.close()

    @property
    def folder(self) -> str | None:
        """The folder of all workers; None for one alone."""
        return None if self.share is None else self.share.folder


def _storage_families(store: RemoteBudgets) -> Iterable[Metric]:
    from tollway.gateway.budgets.collector import storage_families

    return storage_families(store)
