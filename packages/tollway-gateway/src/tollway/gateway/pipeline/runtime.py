"""What the parts of one gateway share, beside its config."""

from __future__ import annotations

import os
import random as chance
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.limits import LimitStore, LocalStore, SharedStore
from tollway.gateway.upstream import HTTP1Client


@dataclass(frozen=True, slots=True)
class Share:
    """What the workers of one gateway have in common: a folder; and which of them this one is."""

    folder: str
    worker: int


class Runtime:
    """Clocks, chance and ids (tests bring their own), connections, threads, and what workers share.

    `clock_ns` and `clock_s` are monotonic and count nanoseconds and seconds; `now_s` is Unix time in seconds;
    `random` gives a number in [0, 1). `is_local` says that only this machine reaches the gateway.
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
        self.limits: LimitStore = (
            LocalStore(clock_ns) if share is None else SharedStore(share.folder, clock_ns)
        )
        self.client = HTTP1Client(environ)
        self.threads = DaemonThreads("tollway-predict")
