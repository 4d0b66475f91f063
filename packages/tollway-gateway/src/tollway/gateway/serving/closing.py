"""Closing what a gateway holds: each part within the time that is left, also when others hang or fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable

from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.pipeline.prediction import is_async
from tollway.provider import Provider

_LOOK_EVERY_S = 0.01

_log = logging.getLogger(__name__)


class Closing:
    """What has not closed so far is in `unclosed`, by name."""

    def __init__(self, threads: DaemonThreads, within_s: float) -> None:
        self._threads = threads
        self.left_s: Callable[[], float] = lambda: within_s
        """The seconds that are left; a server knows how much of the time for its stop that is."""
        self.unclosed: list[str] = []

    async def close_providers(self, providers: Iterable[Provider]) -> None:
        """Close all at once, each in a thread, since it may block; an async one in its event loop."""
        await asyncio.gather(*[self._close(provider) for provider in providers])

    async def wait_for(self, what: str, awaitable: Awaitable[object]) -> None:
        """Wait for a part's end as long as there is time; what it raises is logged."""
        self.unclosed.append(what)
        try:
            async with asyncio.timeout(self.left_s()):
                await awaitable
        except TimeoutError:
            return
        except Exception:  # a plugin's fault must not keep the rest from closing
            _log.exception("%s could not be closed", what)
        self.unclosed.remove(what)

    async def wait_until(self, condition: Callable[[], bool], at_most_s: float) -> None:
        """Wait for a condition, if there is so much time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(at_most_s, self.left_s())):
                while not condition():  # noqa: ASYNC110 - a number that nobody tells of: a counter's cell
                    await asyncio.sleep(_LOOK_EVERY_S)

    async def run(self, what: str, function: Callable[[], object]) -> None:
        """Run a function that ends a part, in a thread."""
        await self.wait_for(what, asyncio.wrap_future(self._threads.submit(function)))

    async def _close(self, provider: Provider) -> None:
        what = f"the provider of endpoint {provider.target.endpoint!r}"
        if is_async(getattr(provider, "predict", None)):
            await self.wait_for(what, _called(provider.close))
        else:
            await self.run(what, provider.close)


async def _called(function: Callable[[], object]) -> None:
    function()
