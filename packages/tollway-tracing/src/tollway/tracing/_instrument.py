"""`instrument`: turns on OpenTelemetry's instrumentations of other libraries, where they are installed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

_logger = logging.getLogger(__name__)

GROUP = "opentelemetry_instrumentor"
"""https://opentelemetry.io/docs/zero-code/python/"""

_OTHER_NAMES = {"openai": "openai-v2", "google_genai": "google-genai", "openai_agents": "openai-agents-v2"}
"""Packages that are not named like what they instrument."""


def instrument(
    *names: str,
    found: Iterable[EntryPoint] | None = None,
    say: Callable[[str], object] = lambda text: print(text, file=sys.stderr),  # noqa: T201 - asked for by the caller
    **options: Any,
) -> list[str]:
    """Turn on the instrumentations of these libraries; return those that are on now.

        tracing.instrument("openai", "httpx")

    Without names: all that are installed. For those that are not, the pip command that installs them is
    printed. options: go to each `instrument()`. One that raises is logged, and the others are turned on.
    """
    known = {point.name: point for point in (entry_points(group=GROUP) if found is None else found)}
    wanted = [name.lower().replace("-", "_") for name in names] or sorted(known)
    if missing := [name for name in wanted if name not in known]:
        say(f"not installed: pip install {' '.join(map(package_of, missing))}")
    return [name for name in wanted if name in known and _turn_on(known[name], options)]


def package_of(name: str) -> str:
    """Return the package that instruments a library."""
    return f"opentelemetry-instrumentation-{_OTHER_NAMES.get(name, name.replace('_', '-'))}"


def _turn_on(point: EntryPoint, options: dict[str, Any]) -> bool:
    try:
        point.load()().instrument(**options)
    except Exception:
        _logger.exception("cannot instrument %s", point.name)
        return False
    return True
