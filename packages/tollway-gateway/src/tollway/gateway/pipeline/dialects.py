"""Who asks an endpoint in a dialect other than OpenAI's: its service itself, or a translator into chat.

Made once for each endpoint and dialect, when the first such request comes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tollway.gateway.apis import APICall
from tollway.gateway.conversations import Conversations, Kept
from tollway.provider import Answer, AnswerInfo, Call, HTTPProvider, PayloadError, Provider, Usage
from tollway.provider.dialects import ANTHROPIC_COUNT_TOKENS, OPENAI_RESPONSES, Speaker
from tollway.provider.json_text import dumps
from tollway.provider.translators import FRONTS, Answering, Sources, StreamWriter, Translation
from tollway.provider.translators.contract import Front
from tollway.provider.translators.messages_to_chat import counted_text
from tollway.provider.translators.responses_items import items_of

from .dropping import DroppingRunner, refusing_depth
from .endpoint import Attempt, Events, Runner

_BYTES_PER_TOKEN = 4

_PREVIOUS = "previous_response_id"


class DialectRunners(dict[str, Runner]):
    """The runners of one endpoint by the dialect that they are asked in; see the module.

    `direct` asks in OpenAI's chat, `asking` makes a runner of what speaks for the service. With `drops`,
    fields are left out that the service has no word for.
    """

    def __init__(
        self,
        provider: Provider,
        direct: Runner,
        asking: Callable[[Speaker], Runner],
        sources: Sources,
        conversations: Conversations,
        *,
        drops: bool = False,
    ) -> None:
        super().__init__()
        self._provider = provider
        self._direct = direct
        self._asking = asking
        self._sources = sources
        self._conversations = conversations
        self._drops = drops

    def __missing__(self, dialect: str) -> Runner:
        """Make the runner of a dialect."""
        runner = self[dialect] = self._make(dialect)
        return runner

    def _make(self, dialect: str) -> Runner:
        provider = self._provider
        speaker = provider.speaking(dialect) if isinstance(provider, HTTPProvider) else None
        if speaker is not None:
            native = self._asking(speaker)
            return ExpandingRunner(native, self._conversations) if dialect == OPENAI_RESPONSES else native
        if dialect == ANTHROPIC_COUNT_TOKENS:
            return CountingRunner()
        runner: Runner = TranslatingRunner(
            FRONTS[dialect],
            self._direct,
            self._sources,
            provider.extensions,
            self._conversations if dialect == OPENAI_RESPONSES else None,
        )
        return DroppingRunner(runner) if self._drops else runner


class TranslatingRunner:
    """Asks in chat what is said in another dialect; see `Runner`."""

    def __init__(
        self,
        front: Front,
        runner: Runner,
        sources: Sources,
        extensions: frozenset[str],
        conversations: Conversations | None,
    ) -> None:
        self._front = front
        self._runner = runner
        self._sources = sources
        self._extensions = extensions
        self._conversations = conversations

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        history = self._history(call)
        translation = self._translated(call, history)
        answer = await self._runner.answer(translation.call, attempt)
        body = translation.answering.whole(answer)
        self._keep(call, history, translation.answering)
        answer.info.dropped += translation.dropped
        return Answer(body, answer.info)

    async def open(self, call: Call, attempt: Attempt) -> TranslatedEvents:
        """See `Runner.open`."""
        history = self._history(call)
        translation = self._translated(call, history)
        events = await self._runner.open(translation.call, attempt)
        events.info.dropped += translation.dropped
        answering = translation.answering
        return TranslatedEvents(events, answering.stream(), lambda: self._keep(call, history, answering))

    def _history(self, call: Call) -> list[dict[str, Any]]:
        if self._conversations is None:
            return []
        named = call.payload.get(_PREVIOUS)
        if named is None:
            return []
        found = self._conversations.find(named, _owner(call))
        if found is None:
            raise PayloadError(
                f"{_PREVIOUS} names no response that is kept here: send the conversation in input",
                code="previous_response_not_found",
                param=_PREVIOUS,
            )
        return found.items

    def _translated(self, call: Call, history: list[dict[str, Any]]) -> Translation:
        with refusing_depth():
            return self._front(call, self._sources, extensions=self._extensions, history=history)

    def _keep(self, call: Call, history: list[dict[str, Any]], answering: Answering) -> None:
        """Keep the conversation under the answer's id, where a later request may name it."""
        response = answering.kept()
        if self._conversations is not None and response is not None:
            asked = [*history, *items_of(call.payload)]
            self._conversations.keep(Kept(_owner(call), asked, response))


class TranslatedEvents:
    """Events of chat, written in another dialect; see `Events`."""

    def __init__(self, events: Events, writer: StreamWriter, at_end: Callable[[], None]) -> None:
        self._events = events
        self._writer = writer
        self._at_end = at_end
        self.info = events.info

    async def next(self) -> bytes:
        """See `Events.next`."""
        while data := await self._events.next():
            if written := self._writer.feed(data):
                return written
        self._at_end()
        return b""

    async def close(self) -> None:
        """See `Events.close`."""
        await self._events.close()


class ExpandingRunner:
    """Asks a service that keeps its responses; one that was kept here is sent along in the input."""

    def __init__(self, runner: Runner, conversations: Conversations) -> None:
        self._runner = runner
        self._conversations = conversations

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """See `Runner.answer`."""
        return await self._runner.answer(self._expanded(call), attempt)

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """See `Runner.open`."""
        return await self._runner.open(self._expanded(call), attempt)

    def _expanded(self, call: Call) -> Call:
        named = call.payload.get(_PREVIOUS)
        found = None if named is None else self._conversations.find(named, _owner(call))
        if found is None:
            return call
        payload = {**call.payload, "input": [*map(_without_id, found.items), *items_of(call.payload)]}
        del payload[_PREVIOUS]
        with refusing_depth():
            return replace(call, payload=payload, body=dumps(payload))


class CountingRunner:
    """Estimates the tokens of a request for a model whose service does not count them; see `Runner`."""

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """Return the estimate: four bytes of text to a token."""
        count = len(counted_text(call.payload).encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1
        return Answer(dumps({"input_tokens": count}), AnswerInfo(usage=Usage(0, 0)))

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """Never called: a count is no stream."""
        raise PayloadError("a count cannot be streamed", param="stream")


def _owner(call: Call) -> str | None:
    """Return the name of the key that a call came with."""
    return call.caller if isinstance(call, APICall) else None


def _without_id(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item without an id of ours, which the service would look for."""
    return {key: value for key, value in item.items() if key != "id"}
