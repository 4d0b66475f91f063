"""Words to the person who waits. pytest keeps back what tests print; these are shown at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest  # CI begins with this before anything is installed

_uncaptured: Callable[[], AbstractContextManager[None]] = nullcontext


def let_through(config: pytest.Config) -> None:
    """Show notices past pytest's capturing from now on; with `-s` there is none."""
    global _uncaptured  # noqa: PLW0603 - one terminal, one way to it
    if capture := config.pluginmanager.getplugin("capturemanager"):
        _uncaptured = capture.global_and_fixture_disabled


def notice(text: str) -> None:
    """Print a line of its own."""
    with _uncaptured():
        print(f"\n{text}", file=sys.stderr, flush=True)
