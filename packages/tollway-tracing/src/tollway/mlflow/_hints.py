"""What to use in place of a name of MLflow's that is not here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_INSTEAD = {
    "autolog": "tollway.tracing.instrument(...) turns on OpenTelemetry's instrumentations",
    "add_trace": "export the other trace by OTLP to the same target",
    "delete_traces": "tollway.tracing.configure(retention_days=...) removes old traces",
    "get_assessment": "get_trace(trace_id).info.assessments has them",
    "update_assessment": "log_feedback again: the newest of a name is the one that counts",
    "override_feedback": "log_feedback again: the newest of a name is the one that counts",
    "delete_assessment": "log_feedback again: the newest of a name is the one that counts",
    "MlflowClient": "the functions of this module do what a client does for traces",
    "get_experiment_by_name": "set_experiment(name) is enough to trace into an experiment",
}
"""Names that have a counterpart elsewhere in Tollway."""

_SERVICES = frozenset(
    {
        *(
            "openai",
            "anthropic",
            "langchain",
            "llama_index",
            "gemini",
            "bedrock",
            "litellm",
            "mistral",
            "groq",
        ),
        *(
            "crewai",
            "dspy",
            "autogen",
            "pydantic_ai",
            "langgraph",
            "agno",
            "strands",
            "haystack",
            "smolagents",
        ),
    }
)
"""What MLflow instruments by `mlflow.NAME.autolog()`."""


def hint_for(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not here."""
    if name in _INSTEAD:
        return _INSTEAD[name]
    if name in _SERVICES:
        return f"in place of mlflow.{name}.autolog(), call tollway.tracing.instrument({name!r})"
    if close := difflib.get_close_matches(name, list(known), n=1):
        return f"did you mean {close[0]!r}?"
    return "only tracing is here; for all else `import mlflow` from the package mlflow itself"
