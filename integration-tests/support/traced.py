"""Programs that trace, each in a process of its own, with the environment that a test gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

PRELUDE = """
import json, sys
from tollway import tracing
def say(value): print("SAID", json.dumps(value), flush=True)
def hex_id(span): return f"{span.get_span_context().trace_id:032x}"
"""


def run(program: str, *arguments: str, **environ: str) -> Any:
    """Run a program, and return what it gave to `say`."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**{k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}, **environ},
    )
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("SAID "))
    return json.loads(line[5:])
