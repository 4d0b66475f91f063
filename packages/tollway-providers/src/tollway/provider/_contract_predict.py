"""The contract of a `predict`; each rule is a test of `ProviderContract`."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from . import predictions, sse
from ._base import BaseProvider
from ._values import Answer, Call, Task

if TYPE_CHECKING:
    from .testing import ProviderContract

_FIXED: dict[str, Any] = {"new_id": lambda: "1", "now_s": lambda: 1_700_000_000}


class _Pieces(list[Any]):
    """What a `predict` yielded, as opposed to a list that it returned."""


def test_predict_answers_every_task(self: ProviderContract) -> None:
    """What it gives, or yields, is an answer."""
    for task in self.tasks():
        with self.made(task) as provider:
            answer = _answer(provider, self.call(task))
        assert json.loads(answer.body)["data" if task is Task.EMBEDDINGS else "choices"]


def test_predict_can_be_streamed(self: ProviderContract) -> None:
    """What it gives, or yields, is a stream of chunks that ends in `[DONE]`."""
    for task in self.tasks(stream=True):
        with self.made(task) as provider:
            stream = _stream(provider, self.call(task, stream=True))
        *chunks, done = [event.data or b"" for event in sse.Parser().feed(stream)]
        assert done == b"[DONE]"
        assert all("choices" in json.loads(chunk) for chunk in chunks)


def _answer(provider: Any, call: Call) -> Answer:
    given = _predict(provider, call)
    if isinstance(given, _Pieces) and call.task is not Task.EMBEDDINGS:
        return predictions.collect(given, call, provider.target, **_FIXED)
    return predictions.answer_from(given, call, provider.target, **_FIXED)


def _stream(provider: Any, call: Call) -> bytes:
    given = _predict(provider, call)
    if not isinstance(given, _Pieces):
        return predictions.stream_of(predictions.answer_from(given, call, provider.target, **_FIXED), call)
    encoder = predictions.ChunkEncoder(call, provider.target, **_FIXED)
    return b"".join(map(encoder.feed, given)) + encoder.end()


def _predict(provider: BaseProvider, call: Call) -> Any:
    """Call it as the gateway would; what it yields comes back as pieces."""
    given: Any = provider.predict(copy.deepcopy(call.payload))
    if inspect.isawaitable(given):
        given = asyncio.run(_awaited(given))
    if isinstance(given, AsyncIterator):
        return asyncio.run(_listed(given))
    return _Pieces(given) if isinstance(given, Iterator) else given


async def _awaited(given: Any) -> Any:
    return await given


async def _listed(given: AsyncIterator[Any]) -> _Pieces:
    return _Pieces([piece async for piece in given])
