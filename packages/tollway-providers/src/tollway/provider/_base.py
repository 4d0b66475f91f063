"""What every provider is, and the plainest way to write one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

from ._settings import check_settings
from ._values import Setting, SettingProblem, Target, Task

Prediction: TypeAlias = str | dict[str, Any] | list[Any]
"""An answer: text, an OpenAI-shaped object, or (for embeddings) vectors."""

Predictions: TypeAlias = (
    Prediction | Awaitable[Prediction] | Iterator[str | dict[str, Any]] | AsyncIterator[str | dict[str, Any]]
)
"""What `predict` may give back: an answer, a coroutine of one, or an iterator of text or OpenAI chunks."""


class Provider:
    """One model behind one endpoint, made once when the gateway reads its config.

    Not subclassed directly: see `BaseProvider` (any Python callable) and `HTTPProvider` (a dialect of HTTP).
    """

    telemetry_name: str = ""
    """`gen_ai.provider.name` of its spans; the entry point's name when empty. An instance may say its own."""

    tasks: ClassVar[frozenset[Task]] = frozenset(Task)
    """The endpoint types it can serve."""

    settings: ClassVar[tuple[Setting, ...] | None] = None
    """The keys it reads from `model.config`; None leaves the keys to the provider."""

    can_prefill: ClassVar[bool] = False
    """Whether its models go on with an answer whose beginning is the last message, of the assistant."""

    extensions: frozenset[str] = frozenset()
    """What it reads beyond OpenAI's chat: `thinking` (with its blocks in the history), `cache_control`.

    An instance may say its own.
    """

    has_list_prices: ClassVar[bool] = True
    """Whether what its models cost may stand in public price lists; False for models of one's own."""

    def __init__(self, target: Target) -> None:
        self.target = target

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Say what is wrong with an endpoint's `model.config`, and how to fix it; empty when all is well."""
        return check_settings(cls.settings, cls.tasks, config, task)

    def close(self) -> None:
        """Let go of what it holds; called once, after its last request."""


class BaseProvider(Provider):
    """Any Python callable as a model.

        class CustomProvider(BaseProvider):
            def predict(self, payload):
                return internal_model_api(payload)

    It may be a plain or an `async` function, return an answer or yield pieces of one. A plain one runs in a
    thread: it may block, and several calls may run at the same time.
    """

    def predict(self, payload: dict[str, Any]) -> Predictions:
        """Answer one request, given in OpenAI's dialect; raise `ProviderError` to choose the status."""
        raise NotImplementedError(f"{type(self).__name__} must define predict(self, payload)")
