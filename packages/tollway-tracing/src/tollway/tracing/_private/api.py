"""The private names of OpenTelemetry's API."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace as otel
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

__all__ = ["SUPPRESS_INSTRUMENTATION_KEY"]


def context_variable() -> ContextVar[Context] | None:
    """Return the variable that is the usual runtime context; None where another kind is set up."""
    runtime = otel_context._RUNTIME_CONTEXT
    return runtime._current_context if type(runtime) is ContextVarsRuntimeContext else None


def global_provider() -> otel.TracerProvider | None:
    """Return the global provider; None where none was set, and no proxy for it."""
    return otel._TRACER_PROVIDER


def replace_global_provider(provider: otel.TracerProvider | None) -> None:
    """Set the global provider, also where one is set: the API allows that once."""
    otel._TRACER_PROVIDER = provider


class HeldTraceState(otel.TraceState):
    """The API's tracestate over members that are known to be valid: its constructor checks each of them."""

    def hold(self, members: dict[str, str]) -> None:
        """Have these members; the dictionary is now its own."""
        self._dict = members


def has_logger_provider() -> bool:
    """Return whether the program has set up a logger provider, or the environment names one."""
    from opentelemetry import _logs  # not for every program that traces

    return not isinstance(_logs.get_logger_provider(), _logs._internal.ProxyLoggerProvider)


def log_event(name: str, attributes: Mapping[str, Any], context: Context, time_ns: int) -> None:
    """Emit an event on the global logger provider."""
    from opentelemetry import _logs  # not for every program that traces

    record = _logs.LogRecord(timestamp=time_ns, context=context, event_name=name, attributes=dict(attributes))
    _logs.get_logger("tollway.tracing").emit(record)
