"""What a gateway holds is closed in time, each part whatever the others do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.serving.closing import Closing
from tollway.provider import BaseProvider, Target, Task

WAIT_S = 20.0


class Model(BaseProvider):
    def __init__(self, name: str, close: Callable[[], object]) -> None:
        super().__init__(Target(name, Task.CHAT, "m"))
        self._close = close

    def predict(self, payload: object) -> str:
        return "ho"

    def close(self) -> None:
        self._close()


class AsyncModel(Model):
    async def predict(self, payload: object) -> str:  # type: ignore[override]  # a coroutine is allowed too
        return "ho"


@pytest.fixture
def threads() -> Iterator[DaemonThreads]:
    made = DaemonThreads("test")
    yield made
    made.close()


def test_one_that_hangs_keeps_no_other_from_closing(threads: DaemonThreads):
    """It is named, and what it raises or does later is nobody's business."""
    closed: list[str] = []
    closing = Closing(threads, 0.1)
    go_on = threading.Event()
    models = [
        Model("hangs", lambda: go_on.wait(WAIT_S)),
        Model("fails", lambda: 1 / 0),
        Model("closes", lambda: closed.append("closes")),
    ]
    asyncio.run(closing.close_providers(models))
    go_on.set()
    assert ["closes"] == closed
    assert ["the provider of endpoint 'hangs'"] == closing.unclosed


def test_a_failure_is_logged(threads: DaemonThreads, caplog: pytest.LogCaptureFixture):
    closing = Closing(threads, WAIT_S)
    asyncio.run(closing.close_providers([Model("fails", lambda: 1 / 0)]))
    assert not closing.unclosed
    (record,) = caplog.records
    assert "'fails' could not be closed" in record.getMessage()
    assert record.exc_info


def test_an_async_provider_is_closed_in_its_event_loop(threads: DaemonThreads):
    """It may have tasks and connections there; a plain one may block."""
    loops: list[object] = []

    def close() -> None:
        try:
            loops.append(asyncio.get_running_loop())
        except RuntimeError:
            loops.append(None)

    async def main() -> object:
        closing = Closing(threads, WAIT_S)
        await closing.close_providers([AsyncModel("later", close), Model("plain", close)])
        return asyncio.get_running_loop()

    assert {asyncio.run(main()), None} == set(loops)


def test_the_time_that_is_left_is_asked_for_at_each_part(threads: DaemonThreads):
    """What one part takes, the next has not."""
    closing = Closing(threads, WAIT_S)
    left_s = iter((WAIT_S, 0.0))
    closing.left_s = lambda: next(left_s)

    async def main() -> None:
        await closing.wait_for("first", asyncio.sleep(0))
        await closing.wait_for("second", asyncio.sleep(WAIT_S))

    asyncio.run(main())
    assert ["second"] == closing.unclosed


def test_a_condition_is_waited_for_within_the_time(threads: DaemonThreads):
    asked: list[bool] = []

    def condition() -> bool:
        asked.append(True)
        return len(asked) > 2

    asyncio.run(Closing(threads, WAIT_S).wait_until(condition, WAIT_S))
    assert 3 == len(asked)
    asyncio.run(Closing(threads, 0.0).wait_until(lambda: False, WAIT_S))
