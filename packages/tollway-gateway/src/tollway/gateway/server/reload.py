"""Reading the configuration again: from its file, for whoever asks, and what the log says of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tollway.gateway.config import ConfigError, load
from tollway.gateway.config.changes import Changes, ReloadResult, changes_of, refused
from tollway.gateway.config.problems import Problem
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.printable import printable
from tollway.gateway.serving import PrepareError, Standby

_log = logging.getLogger(__name__)

WATCHED = "the file changed"
"""The reason that is given by what watches the file."""


def _nothing_against(config: GatewayConfig) -> None:
    """Have nothing against any configuration."""


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """The file of a configuration; `objection` says what else speaks against serving by one here."""

    path: Path
    objection: Callable[[GatewayConfig], str | None] = _nothing_against

    def changes(self, running: GatewayConfig) -> Changes | ReloadResult:
        """Read the file, and return the way from what runs to what it says; else the refusal."""
        try:
            config = load(self.path)
        except ConfigError as error:
            return refused(*error.problems)
        except Exception:  # a plugin's import may fail in any way it likes
            _log.exception("%s could not be read again", printable(str(self.path)))
            return refused(Problem(None, "", "it could not be read; the log says why"))
        against = self.objection(config)
        if against is not None:
            return refused(Problem(None, "", against))
        found = changes_of(running, config)
        return found if found.lines else ReloadResult("unchanged", restart=found.restart)


class Reloader:
    """Reloads in a process that serves alone: one reload after the other, as they are asked for."""

    def __init__(
        self, source: ConfigSource, standby: Standby, threads: DaemonThreads, count: Callable[[str], None]
    ) -> None:
        self._source = source
        self._standby = standby
        self._threads = threads
        self._count = count
        self._lock = asyncio.Lock()

    async def reload(self, why: str) -> ReloadResult:
        """Read the file again, and serve by it if nothing speaks against it."""
        async with self._lock:
            result = await self._reload()
        if not is_quiet(why, result):
            self._count(result.result)
        log(self._source.path, why, result)
        return result

    async def _reload(self) -> ReloadResult:
        reading = self._threads.submit(self._source.changes, self._standby.config)
        found = await asyncio.wrap_future(reading)
        if isinstance(found, ReloadResult):
            return found
        try:
            await self._standby.prepare(found.config)
        except PrepareError as error:
            return refused(Problem(None, "", str(error)))
        self._standby.commit()
        return ReloadResult("applied", found.lines, found.restart)


def is_quiet(why: str, result: ReloadResult) -> bool:
    """Say whether a reload is no news: what watches the file asks for one to begin with."""
    return why == WATCHED and result.result == "unchanged" and not result.restart


def log(path: Path, why: str, result: ReloadResult) -> None:
    """Say what became of a reload: what has changed by name and key, never a value."""
    if is_quiet(why, result):
        return
    where = printable(str(path))
    if result.problems:
        told = "\n".join(problem.told(str(path)) for problem in result.problems)
        _log.error("%s: the configuration is refused, and nothing has changed:\n%s", why, told)
    elif result.result == "unchanged":
        _log.info("%s: %s says what is served already", why, where)
    else:
        _log.info("%s: serving by %s: %s", why, where, printable("; ".join(result.changes)))
    if result.restart:
        _log.warning("%s: only a restart changes %s", where, printable(", ".join(result.restart)))
