"""What goes along with the current context: tags for every span inside, and the way into other threads."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import trace as otel
from opentelemetry.context import Context, create_key

from ._runtime import attach, detach, get_current
from ._steps import ContextSteps, finish, stepping, stepping_async

P = ParamSpec("P")
R = TypeVar("R")

SESSION = "session.id"
"""https://opentelemetry.io/docs/specs/semconv/registry/attributes/session/"""

USER = "user.id"
"""https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/"""

TAGS_KEY = create_key("tollway-tags")


@contextmanager
def tags(
    attributes: Mapping[str, Any] | None = None, /, *, session: str | None = None, user: str | None = None
) -> Iterator[None]:
    """Put these attributes on every span that starts inside, in this process.

        with tracing.tags({"tenant": "acme"}, session=session_id, user=user_id):
            answer(question)

    session and user become `session.id` and `user.id`, which `search_traces` asks for. Inner tags are added
    to outer ones. Works on our provider and the SDK's; costs nothing where it is not used.
    """
    _watch(otel.get_tracer_provider())
    current = get_current()
    named = {key: value for key, value in ((SESSION, session), (USER, user)) if value is not None}
    found = {**current.get(TAGS_KEY, {}), **(attributes or {}), **named}  # type: ignore[dict-item]  # Context values are objects
    token = attach(Context(current, **{TAGS_KEY: found}))
    try:
        yield
    finally:
        detach(token)


def _watch(provider: otel.TracerProvider) -> None:
    """Have a provider's spans look for tags, from the first use of them on."""
    if hasattr(provider, "add_span_processor"):
        from ._tagger import watch

        watch(provider)


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with the context of now: spans that it starts in any thread or task are children of
    the span that is current here. Coroutines and generators too: each of their steps runs in that context.

        pool.submit(tracing.wrap(fetch), url)
    """
    context = get_current()

    def steps(*_: object) -> ContextSteps:
        return ContextSteps(context)

    called = cast("Callable[..., Any]", function)
    if inspect.iscoroutinefunction(function):

        async def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await finish(ContextSteps(context), called(*args, **kwargs))

    elif inspect.isgeneratorfunction(function):
        call = stepping(called, steps)
    elif inspect.isasyncgenfunction(function):
        call = stepping_async(called, steps)
    else:

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:  # type: ignore[misc]  # one of four
            token = attach(context)
            try:
                return function(*args, **kwargs)
            finally:
                detach(token)

    return cast("Callable[P, R]", functools.wraps(function)(call))
