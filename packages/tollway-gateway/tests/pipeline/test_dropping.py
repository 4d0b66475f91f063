"""`unsupported: drop`: what is left out of a request, and how its caller is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tollway.gateway.pipeline.dropping import DroppingRunner, without
from tollway.gateway.pipeline.reply import _dropped_line
from tollway.provider import Answer, AnswerInfo, Call, PayloadError, Task


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("seed", {"tools": [1, 2], "text": {"format": 1}, "a.b": 1, "messages": []}),
        ("tools.1", {"seed": 1, "tools": [1], "text": {"format": 1}, "a.b": 1, "messages": []}),
        ("text.format", {"seed": 1, "tools": [1, 2], "a.b": 1, "messages": []}),
        ("a.b", {"seed": 1, "tools": [1, 2], "text": {"format": 1}, "messages": []}),
        ("tools.7", None),
        ("messages", None),
        ("messages.0", None),
        ("odd", None),
        (".", None),
        (None, None),
    ],
)
def test_a_field_is_left_out_by_its_place(where: str | None, left: dict[str, Any] | None):
    """The conversation itself stays."""
    payload = {"seed": 1, "tools": [1, 2], "text": {"format": 1}, "a.b": 1, "messages": []}
    assert left == without(payload, where)


class Picky:
    """Refuses one field after another."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused

    async def answer(self, call: Call, attempt: Any) -> Answer:
        for name in self._refused:
            if name in call.payload:
                raise PayloadError("no", param=name)
        return Answer(call.body, AnswerInfo())

    async def open(self, call: Call, attempt: Any) -> Any:
        raise NotImplementedError


def test_what_is_refused_is_dropped_and_told():
    call = Call(Task.CHAT, {"messages": [], "n": 2, "seed": 1}, b"{}")
    answer = asyncio.run(DroppingRunner(Picky("n", "seed")).answer(call, None))  # type: ignore[arg-type]  # a stand-in

    assert b'{"messages":[]}' == answer.body
    assert ("n", "seed") == answer.info.dropped


def test_a_field_that_must_stay_is_refused():
    call = Call(Task.CHAT, {"messages": []}, b"{}")
    with pytest.raises(PayloadError):
        asyncio.run(DroppingRunner(Picky("messages")).answer(call, None))  # type: ignore[arg-type]  # a stand-in


def test_a_field_cannot_write_headers():
    """Callers choose the names: nothing of them ends a line, and they are short."""
    line = _dropped_line(AnswerInfo(dropped=("a\r\nset-cookie: x", "\x80\ud83d", "y" * 1000, "tools.1")))

    assert b"x-tollway-dropped: a%0D%0Aset-cookie%3A%20x, %C2%80%3F, " + b"y" * 64 + b", tools.1\r\n" == line
