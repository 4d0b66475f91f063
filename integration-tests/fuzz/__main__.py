"""Fuzz for some minutes: `python -m fuzz --minutes 10 [--seed N] [--target server]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random

from .targets import TARGETS, made


def main() -> int:
    """Run every target for its share of the time; return 1 after a failure, and say how to repeat it."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--target", choices=TARGETS, action="append")
    options = parser.parse_args()
    names = options.target or TARGETS
    for name in names:
        steps = _run(name, options.seed, options.minutes * 60 / len(names))
        if steps < 0:
            return 1
        print(f"{name}: {steps} steps", flush=True)
    return 0


def _run(name: str, seed: int, for_s: float) -> int:
    """Return the number of steps, or -1 after a failure."""
    random = Random(f"{name} {seed}")
    steps = 0
    try:
        with tempfile.TemporaryDirectory() as folder, closing(made(name, Path(folder))) as target:
            end_s = time.monotonic() + for_s
            while time.monotonic() < end_s:
                target.step(random)
                steps += 1
    except AssertionError as error:
        print(f"{name} failed at step {steps} with --seed {seed} --target {name}: {error}", file=sys.stderr)
        return -1
    return steps


if __name__ == "__main__":
    sys.exit(main())
