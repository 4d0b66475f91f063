"""Whether calls are traced: for the whole process, and for a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_on = [True]
_here: ContextVar[bool | None] = ContextVar("tollway-mlflow-enabled", default=None)


def is_enabled() -> bool:
    """Return whether spans are made here."""
    here = _here.get()
    return _on[0] if here is None else here


def switch(on: bool) -> None:
    """Turn tracing on or off for the whole process."""
    _on[0] = on


@contextmanager
def switched(on: bool | None) -> Iterator[None]:
    """Turn tracing on or off inside a block; None leaves it as it is."""
    if on is None:
        yield
        return
    token = _here.set(on)
    try:
        yield
    finally:
        _here.reset(token)
