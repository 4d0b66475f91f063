"""Odd arguments, half-made instances, callbacks that change what runs: compiled code raises, or goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import builds
from tollway.tracing.engine import IS_COMPILED

STEPS = 2_000


@pytest.mark.skipif(not IS_COMPILED, reason=builds.NOT_COMPILED)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_ends_the_process(seed: int, tmp_path: Path) -> None:
    """Run as `support/fuzz_compiled.py` says, where memory that was freed is overwritten."""
    root = Path(__file__).parents[1]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "support.fuzz_compiled", str(seed), str(STEPS)],
        env={**os.environ, "PYTHONMALLOC": "debug", "PYTHONPATH": paths},
        cwd=tmp_path,  # some classes make files, by whatever name they get
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "alive") == (done.returncode, done.stdout.split("\n")[-2]), done.stderr[-4000:]
