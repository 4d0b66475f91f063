"""What every API is: one front door that callers come by, with all that is particular to it.

The pipeline asks an API and knows no JSON key itself. An API is one object: a subclass in a file of its own,
and a row in `APIS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from tollway.provider import Call, Task

from .openai_content import system_instructions, tool_definitions
from .shapes import ErrorShape, openai_shape

Parameter = tuple[str, str, Callable[[Any], Any]]
"""A key of a request, the attribute that tells it, and what makes a value fit: callers send anything."""


class Continuation(Protocol):
    """Remembers what of a stream its caller has seen, for a model that can go on from there."""

    def note(self, events: bytes) -> None:
        """Look at events that are passed on."""

    def resumed(self, call: APICall) -> APICall | None:
        """Return what to ask next after a failure; None when it has to be told."""


class API:
    """One API; its class attributes are the defaults of OpenAI's.

    `dialect` names the form of its requests where that is not OpenAI's chat, completions or embeddings: an
    endpoint that does not speak it is asked by a translator (see `pipeline.dialects`).
    """

    name: ClassVar[str]
    """As it stands in the ids of OpenAPI operations."""

    task: ClassVar[Task]
    """The endpoint type that serves it."""

    paths: ClassVar[tuple[str, ...]]
    """Where `model` names the destination."""

    dialect: ClassVar[str | None] = None

    operation: ClassVar[str]
    """`gen_ai.operation.name`."""

    shape: ClassVar[ErrorShape] = openai_shape

    summary: ClassVar[str]

    example: ClassVar[Mapping[str, Any]]
    """A small request, without `model`."""

    schema: ClassVar[Mapping[str, Any]]
    """The keys that it needs beside `model`, each with its JSON schema."""

    parameters: ClassVar[tuple[Parameter, ...]] = ()
    """What of a request a span tells."""

    forwarded: ClassVar[frozenset[bytes]] = frozenset()
    """Headers of the caller that an upstream of the same dialect gets too."""

    def call(self, payload: dict[str, Any], body: bytes, scope: MutableMapping[str, Any]) -> APICall:
        """Check the keys that the gateway itself relies on; all others are the model's business.

        Raises:
            RequestRejected: one of them cannot be what it is.
        """
        raise NotImplementedError

    def bounds(self, payload: Mapping[str, Any]) -> tuple[int | None, int]:
        """Return how many tokens an answer may have, None where that is not said; and how many answers."""
        raise NotImplementedError

    def conversation(self, payload: Mapping[str, Any]) -> tuple[bytes, bytes] | None:
        """Return what a request says of its conversation: how it names it, and the name; None for nothing."""
        raise NotImplementedError

    def continuation(self) -> Continuation | None:
        """Return what remembers a stream; None where no stream of this API can be continued."""
        return None

    def input_messages(self, payload: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield what was asked, as `gen_ai.input.messages` has it."""
        raise NotImplementedError

    def instructions(self, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what stands beside the messages, as `gen_ai.system_instructions` has it."""
        return system_instructions(payload.get("instructions", payload.get("system")))

    def tools(self, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tools that the model may call, as `gen_ai.tool.definitions` has them."""
        return tool_definitions(payload.get("tools"))

    def output_messages(self, body: bytes | None, events: Iterable[bytes]) -> list[dict[str, Any]]:
        """Return what was answered, as `gen_ai.output.messages` has it: whole, or (None) in events.

        Raises:
            ValueError: the answer is not JSON.
        """
        raise NotImplementedError


@dataclass(slots=True)
class APICall(Call):
    """One request on its way through the pipeline; `api` is the one that it came by.

    `session` is the conversation that its headers name, `caller` the name of its key.
    """

    api: API = field(kw_only=True)
    session: str | None = field(default=None, kw_only=True)
    caller: str | None = field(default=None, kw_only=True)
