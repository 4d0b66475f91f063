"""Names that MLflow's configs may hold and that no service answers to any more, or not with text.

They load, so that `tollway gateway check` can say what to use in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tollway.provider import HTTPProvider, SettingProblem, Task


class RetiredProvider(HTTPProvider):
    """A service that cannot be used; `check` says why, and what can."""

    why: str
    instead: str

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Say what replaced it, whatever the config holds."""
        yield SettingProblem(None, cls.why, cls.instead)


class PalmProvider(RetiredProvider):
    """Google's PaLM API, shut down in 2024: https://ai.google.dev/palm_docs/deprecation."""

    why = "Google shut the PaLM API down in 2024"
    instead = "use provider: gemini with gemini_api_key, and one of Gemini's models"


class MosaicMLProvider(RetiredProvider):
    """MosaicML's inference service, which became Databricks' model serving."""

    why = "MosaicML's inference service has ended: Databricks Model Serving took its place"
    instead = (
        "use provider: databricks with host and token; for a server of your own, provider: vllm with api_base"
    )


class TypeSafeProvider(RetiredProvider):
    """TypeSafe's System One, which MLflow only passes through: it has no chat, completions or embeddings."""

    why = "TypeSafe's System One has an API of its own, without chat, completions or embeddings"
    instead = "remove this endpoint, and send such requests to TypeSafe directly"
