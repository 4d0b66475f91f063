"""Answers from another process: the same ones, also after it died, and none that hangs."""

from __future__ import annotations

import asyncio
import json

import pytest

from tollway.gateway.pages.answers import Answers
from tollway.gateway.pages.asking import InProcess, InThreads
from tollway.gateway.pages.reading import FAILED, FOUND, MISSING, WRONG

from .conftest import Written


def test_both_ways_answer_the_same(written: Written):
    """A gateway asks a process of its own, `tollway traces ui` itself."""
    trace_id = written.request("GET /a", 0, 5)
    here, there = InThreads(Answers(written.store, {})), InProcess(str(written.store.layout.root), {})

    async def ask(what: str, **arguments: str) -> tuple[str, bytes]:
        first, second = await here.ask(what, **arguments), await there.ask(what, **arguments)
        assert first == second
        return first

    async def asked() -> list[str]:
        kind, body = await ask("trace", trace_id=trace_id)
        assert trace_id == json.loads(body)["trace_id"]
        kinds = [kind, *[(await ask("traces", q=q))[0] for q in ("", "stauts:ok")]]
        return [*kinds, (await ask("trace", trace_id="a" * 32))[0]]

    assert [FOUND, FOUND, WRONG, MISSING] == asyncio.run(asked())


def test_a_reader_that_dies_is_started_again(written: Written):
    """What was asked of it fails; the next question is answered."""
    asker = InProcess(str(written.store.layout.root), {})

    async def asked() -> list[str]:
        kinds = [(await asker.ask("traces"))[0]]
        child = asker._child
        assert child is not None
        child._process.kill()
        await asyncio.to_thread(child.reader.join)
        return [*kinds, (await asker.ask("traces"))[0]]

    assert [FOUND, FOUND] == asyncio.run(asked())


def test_a_question_that_nothing_answers_fails(written: Written, capfd: pytest.CaptureFixture[str]):
    """The page is told so without the reason, which is in the log."""
    here = InThreads(Answers(written.store, {}))
    kind, body = asyncio.run(here.ask("nothing"))
    assert FAILED == kind
    assert "AttributeError" in capfd.readouterr().err
    assert b"AttributeError" not in body
