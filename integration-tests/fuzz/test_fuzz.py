"""A short run of each fuzzer; `make fuzz MINUTES=10` runs them for longer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from fuzz.targets import made

STEPS = {"server": 150, "upstream": 150, "reloads": 60, "configs": 400, "providers": 3000}


@pytest.mark.parametrize("name", STEPS)
def test_nothing_goes_wrong(name: str, tmp_path: Path):
    """Whatever comes, the gateway lives, answers others right, and does not grow."""
    random = Random(f"{name} 1")
    with closing(made(name, tmp_path)) as target:
        for _ in range(STEPS[name]):
            target.step(random)
