"""What a translator of a front door is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tollway.provider import Answer, Call


class Sources(NamedTuple):
    """What makes the ids and the times of answers; `now_s` is Unix time in seconds."""

    new_id: Callable[[], str]
    now_s: Callable[[], int]


class StreamWriter(Protocol):
    """Writes one stream of chat as a stream of the front's dialect."""

    def feed(self, events: bytes) -> bytes:
        """Take whole events of chat, return those that they mean."""


class Answering(Protocol):
    """Says answers in the dialect in which one request was made."""

    def whole(self, answer: Answer) -> bytes:
        """Return the body of a whole answer."""

    def stream(self) -> StreamWriter:
        """Return what writes a stream."""

    def kept(self) -> dict[str, Any] | None:
        """Return the whole answer if it is there, and a later request may name it; else None."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A request, said in OpenAI's chat: the `call`, and what says its answer in the caller's dialect.

    `dropped` names the fields that are left out and that the answer tells of.
    """

    call: Call
    answering: Answering
    dropped: tuple[str, ...] = ()


class Front(Protocol):
    """Translates requests of one dialect into chat.

    `extensions` names what the provider reads beyond OpenAI's chat; `history` are the items of the
    conversation so far where the request only names it.
    """

    def __call__(
        self,
        call: Call,
        sources: Sources,
        *,
        extensions: frozenset[str] = frozenset(),
        history: Iterable[dict[str, Any]] = (),
    ) -> Translation:
        """Translate. Raises `PayloadError` that names the field which chat cannot say."""
