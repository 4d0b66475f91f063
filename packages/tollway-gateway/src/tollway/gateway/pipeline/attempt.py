"""Stage four: one attempt at one model. A runner knows how to ask one kind of provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from opentelemetry.context import Context

from tollway.provider import Answer, AnswerInfo, Call


class Attempt(Protocol):
    """What a runner is given to know of the span around it."""

    @property
    def context(self) -> Context:
        """The OpenTelemetry context whose span is the attempt's."""

    def trace_lines(self) -> bytes:
        """Return the header lines that make an upstream's spans children of the attempt's."""

    def waited(self, for_s: float) -> None:
        """Note seconds that were waited for the model: they are no overhead of ours."""

    def upstream_answered(self, headers: Mapping[str, str]) -> None:
        """Note that an HTTP service answered: its headers say by what name it knows the request."""


class Events(Protocol):
    """An answer in events of OpenAI's dialect, as they come."""

    info: AnswerInfo

    async def next(self) -> bytes:
        """Wait for the next whole events; empty at the end. A stream that breaks raises a `ProviderError`."""

    async def close(self) -> None:
        """Let go of the model's side, at its end or before."""


class Runner(Protocol):
    """Asks a model; all that goes wrong is a `ProviderError`. Time limits are whoever awaits it."""

    async def answer(self, call: Call, attempt: Attempt) -> Answer:
        """Ask for a whole answer."""

    async def open(self, call: Call, attempt: Attempt) -> Events:
        """Ask for a stream."""
