"""The cores as extension types: what a compiler could get wrong that Python's own classes cannot."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tollway.gateway._extensions import WANTED
from tollway.gateway.upstream import _core as upstream
from tollway.gateway.upstream._connection import Connection

CORES = (upstream.ConnectionCore,)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_where_there_is_a_compiler_the_cores_are_compiled_unless_told_otherwise():
    assert WANTED == upstream.IS_COMPILED
    files = [str(sys.modules[core.__module__].__file__) for core in CORES]
    assert {WANTED} == {file.endswith(".so") for file in files}


def test_an_environment_variable_takes_the_python_instead():
    script = "from tollway.gateway.upstream import _core as upstream;print(upstream.IS_COMPILED)"
    environment = {**os.environ, "TOLLWAY_NO_EXTENSIONS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert "False" == said.stdout.strip()


@pytest.mark.parametrize(
    ("ours", "base"),
    [
        (Connection, asyncio.Protocol),
    ],
)
def test_loops_and_servers_find_the_types_they_look_for(ours: type, base: type):
    assert issubclass(ours, base)


@pytest.mark.parametrize(
    "use",
    [
        lambda: upstream.ConnectionCore.__new__(upstream.ConnectionCore).data_received(b"x"),
    ],
    ids=["connection"],
)
def test_what_was_never_begun_raises(use: Callable[[], Any]):
    """And does not end the process, as C does with what is missing."""
    with pytest.raises((AttributeError, TypeError)):
        use()
