"""`mlflow.tracing`: turning tracing on and off, and what is said of all traces inside a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ._fluent import context_of
from ._hints import hint_for
from ._switch import is_enabled, switch, switched
from ._target import set_destination, set_ratio

__all__ = ["context", "disable", "enable", "is_enabled", "reset", "set_destination", "set_ratio"]


def enable() -> None:
    """Make spans again."""
    switch(True)


def disable() -> None:
    """Make no spans, in the whole process, until `enable`."""
    switch(False)


def reset() -> None:
    """Forget what was said of tracing in this process."""
    switch(True)


@contextmanager
def context(
    *,
    session_id: str | None = None,
    user: str | None = None,
    tags: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    enabled: bool | None = None,
) -> Iterator[None]:
    """Say something of all traces that begin inside; `enabled=False` makes none."""
    update = {"session_id": session_id, "user": user, "tags": tags, "metadata": metadata}
    with switched(enabled), context_of(update):
        yield


def __getattr__(name: str) -> Any:
    raise AttributeError(f"tollway.mlflow.tracing has no {name!r}: {hint_for(name, __all__)}")
