"""The values that pass between the gateway and a provider: frozen where they are shared, slotted all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple


class Task(StrEnum):
    """What an endpoint does: MLflow's `endpoint_type`."""

    CHAT = "llm/v1/chat"
    COMPLETIONS = "llm/v1/completions"
    EMBEDDINGS = "llm/v1/embeddings"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key that a provider reads from `model.config`.

    A `secret` may be given as `$ENV`, as the path of a file that holds it, or as it is, and is never shown.
    `type` is checked; `choices`, when given, lists the only values allowed.
    """

    name: str
    help: str
    type: type[str] | type[int] | type[float] | type[bool] | type[dict[str, Any]] = str
    required: bool = False
    secret: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """What is wrong with one key of `model.config`, and how to fix it; `key` is None for all of the model."""

    key: str | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Target:
    """The model behind one endpoint: what a provider instance is made for.

    `endpoint` is the endpoint's name, `model` the upstream's name of the model, `config` the settings with
    their defaults filled in and secrets resolved.
    """

    endpoint: str
    task: Task
    model: str
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Dialect(NamedTuple):
    """How a caller spoke that did not speak OpenAI's chat: see `dialects`.

    `headers` are those that a service of the same dialect gets too, `query` is that of the caller's URL.
    """

    name: str
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""


@dataclass(slots=True)
class Call:
    """One request on its way to a model, in OpenAI's dialect.

    `body` is the caller's JSON as it came and `payload` the same, parsed. Neither is ever changed by a
    provider: a retry or a fallback reads them again. `stream` says whether the caller asked for a stream.
    `dialect` is set where it is another one: only a provider that speaks it gets to see such a call.
    """

    task: Task
    payload: dict[str, Any]
    body: bytes
    stream: bool = False
    dialect: Dialect | None = None


class UpstreamRequest(NamedTuple):
    """An HTTP request for the gateway to send: absolute `url`, headers without Host and Content-Length."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    method: str = "POST"


class UpstreamResponse(NamedTuple):
    """A whole HTTP answer; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class UsageDetails:
    """The parts of a usage that most answers do not have; None where the model did not say.

    `cache_write_1h_input_tokens` is the part of the cache writes that is kept for an hour,
    `cache_read_audio_input_tokens` and `cache_read_image_input_tokens` are the parts of the cache reads that
    are audio and images. `service_tier` is the tier that answered, where it is not the usual one;
    `billed_picousd` what the service says that it charges, in 10^-12 USD.
    """

    cache_write_input_tokens: int | None = None
    cache_write_1h_input_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_input_tokens: int | None = None
    image_output_tokens: int | None = None
    cache_read_audio_input_tokens: int | None = None
    cache_read_image_input_tokens: int | None = None
    web_search_requests: int | None = None
    service_tier: str | None = None
    billed_picousd: int | None = None


@dataclass(slots=True)
class Usage:
    """Tokens as the model counted them; None where it did not say.

    `input_tokens` and `output_tokens` are all tokens of the input and of the output. Every other count, also
    those of the `details`, is a part of one of them, wherever the service itself counts it; `usages` has
    readers of several services' dialects.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    details: UsageDetails | None = None


@dataclass(slots=True)
class AnswerInfo:
    """What telemetry wants to know of an answer; `model` is the one that answered, not the one asked for.

    `token_seen` says of a stream whether its first token has come: text, thinking, a tool call or the finish,
    not a comment, a ping or a role alone. None where the decoder does not tell. `unread` says that a part of
    it could not be read, and was passed on all the same; `dropped` names fields of the request that were left
    out.
    """

    id: str | None = None
    model: str | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    token_seen: bool | None = None
    unread: bool = False
    dropped: tuple[str, ...] = ()

    def take_over(self, read: AnswerInfo) -> None:
        """Become that of a whole answer, which came in the place of a stream; who holds this sees it."""
        self.id, self.model, self.usage = read.id, read.model, read.usage
        self.finish_reasons, self.token_seen = read.finish_reasons, True


@dataclass(slots=True)
class Answer:
    """A whole answer: `body` is JSON in OpenAI's dialect, the upstream's own bytes where it speaks that."""

    body: bytes
    info: AnswerInfo
