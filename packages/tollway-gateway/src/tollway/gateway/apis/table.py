"""The table of APIs: a new one is a file beside this one, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from tollway.provider import Task

from .anthropic_messages import AnthropicCountTokens, AnthropicMessages
from .api import API
from .openai_chat import OpenAIChat
from .openai_completions import OpenAICompletions
from .openai_embeddings import OpenAIEmbeddings
from .openai_responses import RESPONSES
from .shapes import ErrorShape, mlflow_shape, openai_shape

APIS: tuple[API, ...] = (
    OpenAIChat(),
    OpenAICompletions(),
    OpenAIEmbeddings(),
    RESPONSES,
    AnthropicMessages(),
    AnthropicCountTokens(),
)

_BY_TASK: Mapping[Task, API] = {api.task: api for api in reversed(APIS)}

_SHAPES: Mapping[str, ErrorShape] = {path: api.shape for api in APIS for path in api.paths}


def api_of(task: Task) -> API:
    """Return the API that an endpoint type is named after: what MLflow's paths speak."""
    return _BY_TASK[task]


def shape_of(path: str) -> ErrorShape:
    """Return the shape that errors have on a path, also on one that leads nowhere.

    OpenAI's below `/v1/` and where the path is not known, else MLflow's, which has OpenAI's in it.
    """
    default = openai_shape if not path or path.startswith("/v1/") else mlflow_shape
    return _SHAPES.get(path, default)
