"""`unsupported: drop`: what the model's service has no word for is left out, and the caller is told so."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from tollway.gateway.guard.json_size import is_too_deep
from tollway.provider import Answer, AnswerInfo, Call, PayloadError
from tollway.provider.errors import too_deep
from tollway.provider.json_text import dumps

from .endpoint import Attempt, Events, Runner

_NEVER = frozenset({"model", "messages", "input", "prompt", "stream", "previous_response_id"})
"""Fields without which the request would be another one."""

_MAX_DROPPED = 32


class _Answered(Protocol):
    """What knows of an answer: a whole one, or the events of a stream."""

    info: AnswerInfo


_T = TypeVar("_T", bound=_Answered)


class DroppingRunner:
    """Asks another runner, without the fields that it refuses; see `Runner`."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        return await self._asked(self._runner.answer, call, attempt)

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """See `Runner.open`."""
        return await self._asked(self._runner.open, call, attempt)

    async def _asked(self, ask: Callable[[Call, Attempt], Awaitable[_T]], call: Call, attempt: Attempt) -> _T:
        """Ask until nothing is refused; a refusal comes before anything is sent."""
        dropped: list[str] = []
        while True:
            try:
                answer = await ask(call, attempt)
            except PayloadError as error:
                payload = without(call.payload, error.param)
                if payload is None or error.param is None or len(dropped) >= _MAX_DROPPED:
                    raise
                dropped.append(error.param)
                with refusing_depth():
                    call = replace(call, payload=payload, body=dumps(payload))
                continue
            if dropped:
                answer.info.dropped = (*dropped, *answer.info.dropped)
            return answer


@contextmanager
def refusing_depth() -> Iterator[None]:
    """Raise `PayloadError` where a request cannot be written because it is nested too deep."""
    try:
        yield
    except (RecursionError, TypeError) as error:
        if not is_too_deep(error):
            raise
        raise too_deep() from error


def without(payload: dict[str, Any], where: str | None) -> dict[str, Any] | None:
    """Return a request without the field that `where` names (`tools.2`, `text.format`); None if it must stay.

    A field deeper than two levels takes with it what it is a part of.
    """
    first, *rest = [where] if where in payload and where is not None else (where or "").split(".")
    if first in _NEVER or first not in payload:
        return None
    if not rest:
        return {key: value for key, value in payload.items() if key != first}
    holder = copy.copy(payload[first])
    if isinstance(holder, list) and rest[0].isdigit() and int(rest[0]) < len(holder):
        del holder[int(rest[0])]
    elif isinstance(holder, dict) and rest[0] in holder:
        del holder[rest[0]]
    else:
        return None
    if holder:
        return {**payload, first: holder}
    return {key: value for key, value in payload.items() if key != first}
