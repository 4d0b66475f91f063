"""A reload by all workers or none: each prepares the configuration, and when all have, all serve by it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tollway.gateway.config.changes import Changes, ReloadResult, refused
from tollway.gateway.config.problems import Problem
from tollway.gateway.config.values import GatewayConfig

from .control_pipe import Abort, Commit, ControlPipe, Prepare, Prepared, Reloaded
from .reload import ConfigSource, is_quiet, log

_PREPARE_S = 150.0
"""How long workers may take altogether; each gives up by itself before."""

_Asks = dict[int, tuple[int, ...]]
"""By worker: its numbers for those who asked."""


@dataclass(slots=True)
class _Reload:
    """One that waits for workers to prepare."""

    number: int
    why: str
    asks: _Asks
    changes: Changes
    due_s: float
    waits_for: set[int] = field(default_factory=set)
    problem: str | None = None


class Reloads:
    """Of a supervisor. Reloads that are asked for while one runs are one more, after it."""

    def __init__(self, source: ConfigSource, config: GatewayConfig) -> None:
        self._source = source
        self._config = config
        self._count = 0
        self._why: str | None = None
        """For what reason another reload is asked for; None when none is."""
        self._asks: _Asks = {}
        self._running: _Reload | None = None

    @property
    def is_running(self) -> bool:
        """Whether workers prepare a configuration."""
        return self._running is not None

    @property
    def due_s(self) -> float:
        """When the one that runs is given up, by the clock that `go_on` is told; infinite without one."""
        return math.inf if self._running is None else self._running.due_s

    def ask(self, why: str, worker: int | None = None, ask: int = 0) -> None:
        """Ask for a reload; a worker's number and its own for the asking, where one asks."""
        self._why = self._why or why
        if worker is not None:
            self._asks[worker] = (*self._asks.get(worker, ()), ask)

    def prepared(self, worker: int, message: Prepared) -> None:
        """Note that a worker has prepared a configuration, or why it could not."""
        running = self._running
        if running is not None and running.number == message.number:
            running.waits_for.discard(worker)
            running.problem = running.problem or message.problem

    def died(self, worker: int, how: str) -> None:
        """Note that a worker is dead: what it was to prepare is not, and nobody waits there."""
        self._asks.pop(worker, None)
        running = self._running
        if running is not None:
            running.asks.pop(worker, None)
            if worker in running.waits_for:
                running.waits_for.discard(worker)
                running.problem = running.problem or f"a worker died while it prepared: {how}"

    def go_on(self, workers: Mapping[int, ControlPipe], now_s: float) -> GatewayConfig:
        """Begin what was asked for, end what is prepared or overdue; return what workers begin with now."""
        running = self._running
        if running is not None and now_s >= running.due_s and running.waits_for:
            running.problem = running.problem or f"workers did not prepare within {_PREPARE_S:g} s"
        if running is not None and (running.problem is not None or not running.waits_for):
            self._running = None
            self._end(running, workers)
        if self._running is None and self._why is not None:
            self._begin(self._why, workers, now_s)
        return self._config

    def _begin(self, why: str, workers: Mapping[int, ControlPipe], now_s: float) -> None:
        asks, self._asks, self._why = self._asks, {}, None
        found = self._source.changes(self._config)
        if isinstance(found, ReloadResult):
            self._tell(why, found, asks, workers)
            return
        self._count += 1
        self._running = _Reload(self._count, why, asks, found, now_s + _PREPARE_S, {*workers})
        for pipe in workers.values():
            pipe.send(Prepare(self._count, found.config))

    def _end(self, reload: _Reload, workers: Mapping[int, ControlPipe]) -> None:
        changes, problem = reload.changes, reload.problem
        for pipe in workers.values():
            pipe.send(Commit() if problem is None else Abort())
        if problem is None:
            self._config = changes.config
            result = ReloadResult("applied", changes.lines, changes.restart)
        else:
            result = refused(Problem(None, "", problem))
        self._tell(reload.why, result, reload.asks, workers)

    def _tell(self, why: str, result: ReloadResult, asks: _Asks, workers: Mapping[int, ControlPipe]) -> None:
        log(self._source.path, why, result)
        counts = not is_quiet(why, result)
        for number, pipe in workers.items():
            mine = asks.get(number, ())
            if mine or counts:
                pipe.send(Reloaded(result, mine, counts))
            counts = False
