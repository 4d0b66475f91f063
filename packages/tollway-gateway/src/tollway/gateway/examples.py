"""A small request for each endpoint type: what the start, the documentation and `/docs` suggest to try."""

from __future__ import annotations

from typing import Any

from tollway.provider import Task

_EXAMPLES: dict[Task, dict[str, Any]] = {
    Task.CHAT: {"messages": [{"role": "user", "content": "What is a toll road?"}]},
    Task.COMPLETIONS: {"prompt": "A toll road is"},
    Task.EMBEDDINGS: {"input": ["a toll road"]},
}


def example_of(task: Task) -> dict[str, Any]:
    """Return a request that an endpoint of this type answers."""
    return dict(_EXAMPLES[task])
