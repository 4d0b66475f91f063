"""A free-threaded Python is told that it is not supported, and what to use instead."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYS = ("does not support free-threaded Python", "Use the standard build: python3.")

AS_FREE_THREADED = "import sys; sys.abiflags += 't'; "
"""What tells such a Python from others, as PEP 703 has it; none of the machines that test has one."""


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "module", ["tollway.tracing", "tollway.provider", "tollway.gateway", "tollway.gateway.cli"]
)
def test_an_import_says_it_before_anything_else_fails(module: str) -> None:
    """Also where a dependency is missing, because it cannot be installed there."""
    without = "".join(f"sys.modules[{name!r}] = None; " for name in ("orjson", "opentelemetry", "click"))
    last = said(f"{AS_FREE_THREADED}{without}import {module}")
    assert last.startswith("ImportError: ")
    assert all(words in last for words in SAYS)
