"""A configuration is made while another one serves, and what came to nothing leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.limits import Rate
from tollway.gateway.pipeline import Runtime, Share
from tollway.gateway.serving import PrepareError, Snapshots, Standby, build
from tollway.provider import BaseProvider, Provider, Target, discovery

WAIT_S = 20.0


class Model(BaseProvider):
    """Is told by its name what to do when it is made."""

    made: list[Model] = []  # noqa: RUF012 - of all of them
    may_go_on = threading.Event()

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.is_closed = False
        if target.model == "broken":
            raise RuntimeError("no such model")
        if target.model == "slow":
            self.may_go_on.wait(WAIT_S)
        self.made.append(self)

    def predict(self, payload: object) -> str:
        return "ho"

    def close(self) -> None:
        self.is_closed = True


class NoProvider(Provider):
    """Of no known kind: only wiring finds that out."""


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    load = discovery.load
    kinds: dict[str, Any] = {"own": Model, "none": NoProvider}
    monkeypatch.setattr(discovery, "load", lambda name: kinds.get(name) or load(name))
    Model.made.clear()
    Model.may_go_on.clear()
    yield
    Model.may_go_on.set()


def configured(**models: str) -> GatewayConfig:
    return GatewayConfig(
        endpoints=[
            {
                "name": name,
                "endpoint_type": "llm/v1/chat",
                "model": {"provider": "none" if model == "none" else "own", "name": model},
            }
            for name, model in models.items()
        ]
    )


def standby_of(**models: str) -> tuple[Standby, Snapshots]:
    runtime = Runtime({})
    snapshots = Snapshots(build(configured(**models), runtime), runtime.metrics)
    return Standby(snapshots, runtime), snapshots


def open_models() -> list[str]:
    return [one.target.model for one in Model.made if not one.is_closed]


def test_what_is_ready_serves_when_it_is_committed():
    standby, snapshots = standby_of(a="m")

    async def main() -> None:
        await standby.prepare(configured(a="m", b="n"))
        assert 1 == len(snapshots.current.providers)
        standby.commit()
        assert 2 == len(snapshots.current.providers)
        standby.commit()  # there is nothing more

    asyncio.run(main())
    assert ["m", "n"] == open_models()


def test_what_is_thrown_away_is_closed():
    """But for what the one that serves has too. The next begins by throwing away the last."""
    standby, _ = standby_of(a="m")

    async def main() -> None:
        await standby.prepare(configured(a="m", b="n"))
        await standby.prepare(configured(a="m", b="o"))
        assert ["m", "o"] == open_models()
        await standby.abort()

    asyncio.run(main())
    assert ["m"] == open_models()


@pytest.mark.parametrize(("last", "told"), [("broken", "no such model"), ("none", "must be a")])
def test_what_cannot_be_made_leaves_nothing_open(last: str, told: str):
    """The one that serves goes on."""
    standby, snapshots = standby_of(a="m")
    before = snapshots.current

    async def main() -> None:
        with pytest.raises(PrepareError, match=told):
            await standby.prepare(configured(a="m", b="n", c=last))
        standby.commit()

    asyncio.run(main())
    assert before is snapshots.current
    assert ["m"] == open_models()


def test_one_that_takes_too_long_is_given_up():
    standby, snapshots = standby_of(a="m")
    before = snapshots.current

    async def main() -> None:
        with pytest.raises(PrepareError, match=r"within 0\.01 s"):
            await standby.prepare(configured(a="m", b="slow"), within_s=0.01)
        standby.commit()

    asyncio.run(main())
    assert before is snapshots.current


@pytest.mark.parametrize("workers", [False, True], ids=["alone", "workers"])
def test_limits_that_are_no_more_give_their_places_up(tmp_path: Path, workers: bool):
    """However often limits change: the table of all workers has places for some thousands."""
    runtime = Runtime({}, share=Share(str(tmp_path), 0) if workers else None)

    def limited(calls: int) -> GatewayConfig:
        (one,) = configured(a="m").endpoints
        limit = {"calls": calls, "renewal_period_s": 60.0, "burst": calls}
        kept = {"calls": 1, "renewal_period_s": 60.0, "burst": 1}
        return GatewayConfig(endpoints=[{**one.__dict__, "limits": [limit, kept]}])

    snapshots = Snapshots(build(limited(1), runtime), runtime.metrics)
    standby = Standby(snapshots, runtime)
    released: list[bytes] = []
    release = runtime.limits.release

    class Limits:
        """The store, whose places are noted when they are given up."""

        def __getattr__(self, name: str) -> Any:
            return getattr(limits, name)

        def release(self, rate: Rate, key: bytes) -> None:
            released.append(key)
            release(rate, key)

    limits, runtime.limits = runtime.limits, Limits()  # type: ignore[assignment]  # a stand-in

    async def main() -> None:
        for calls in range(2, 6):
            await standby.prepare(limited(calls))
            standby.commit()
            for one in snapshots.take_drained():
                await standby.close(one, WAIT_S)

    asyncio.run(main())
    assert 4 == len(released) == len({*released})
    assert not {*released} & {*snapshots.current.places}
    assert 2 == len(snapshots.current.places)
