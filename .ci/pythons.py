"""Run the packages' unit tests on every CPython from 3.11 to 3.14 that is on this machine.

    .venv/bin/python .ci/pythons.py [--list] [pytest arguments]

The oldest of them gets the oldest versions that the packages allow, the newest the newest; the only one gets
both. Those between get the pinned versions, and the tests of what is compiled. `make test` runs with the
pinned ones in `.venv`.
Nothing is downloaded: interpreters of uv, pyenv, the distribution and the PATH are looked for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

BOUNDS = Path(__file__).with_name("bounds.py")

MINORS = (11, 12, 13, 14)

EVERYTHING = ("packages",)

COMPILED = (
    "packages/tollway-tracing",
    *(f"packages/tollway-gateway/tests/{name}" for name in ("server", "upstream", "limits")),
)
"""What is compiled, and with it the tests that depend most on the interpreter."""

OPTIONS = (
    # Slow, and the same on every interpreter: types are checked, and a model is loaded.
    "--deselect=packages/tollway-providers/tests/providers/test_local.py",
    *("-k", "not typing and not fuzz"),
    "--hypothesis-profile=brief",
)

AT_ONCE = 1 + (os.cpu_count() or 1)
"""How many interpreters are tested at a time, each in one process; many tests wait most of the time."""

ASK = """
import json, pathlib, platform, sys, sysconfig
print(json.dumps({
    "version": sys.version_info[:3],
    "is_cpython": platform.python_implementation() == "CPython" and "t" not in sys.abiflags,
    "has_headers": pathlib.Path(sysconfig.get_path("include"), "Python.h").exists(),
}))
"""


@dataclass(frozen=True, order=True)
class Interpreter:
    """A CPython; the later in order, the better for tests: with headers, then by its version."""

    has_headers: bool
    version: tuple[int, int, int]
    path: Path

    @property
    def minor(self) -> int:
        """The 12 of 3.12.1."""
        return self.version[1]

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.version))} ({self.path})"


def candidates() -> Iterator[Path]:
    """Yield what may be an interpreter."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    managed = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    folders = [
        *(Path(name) for name in os.environ.get("PATH", "").split(os.pathsep) if name),
        *pyenv.glob("versions/*/bin"),
        *managed.glob("*/bin"),
        *map(Path, ("/usr/local/bin", "/usr/bin", "/opt/homebrew/bin")),
    ]
    for folder in dict.fromkeys(folders):
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if re.fullmatch(r"python3(\.1[1-4])?", path.name))


def interpreter(path: Path) -> Interpreter | None:
    """Return the interpreter behind a path, outside any environment; None if it does not run or fit."""
    try:
        done = subprocess.run([path, "-I", "-c", ASK], capture_output=True, text=True, check=True, timeout=60)
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # such as a shim of pyenv for a version that is not chosen
    if not told["is_cpython"]:
        return None
    return Interpreter(told["has_headers"], tuple(told["version"]), path)


def found() -> dict[int, Interpreter]:
    """Return the best interpreter of each minor version that is here."""
    real = dict.fromkeys(path.resolve() for path in candidates())
    best: dict[int, Interpreter] = {}
    for one in sorted(filter(None, map(interpreter, real))):
        best[one.minor] = one
    return {minor: best[minor] for minor in MINORS if minor in best}


def plan(interpreters: dict[int, Interpreter]) -> list[tuple[Interpreter, str]]:
    """Return what is to run: an interpreter, and which versions of the dependencies."""
    ordered = [interpreters[minor] for minor in sorted(interpreters)]
    if not ordered:
        return []
    between = [(one, "pinned") for one in ordered[1:-1]]
    return [(ordered[0], "oldest"), *between, (ordered[-1], "newest")]


def tested(one: Interpreter, resolution: str, arguments: list[str]) -> bool:
    """Run the tests with one interpreter, show what they printed, and say whether they passed."""
    began_s = time.monotonic()
    share = COMPILED if resolution == "pinned" else EVERYTHING
    command = [sys.executable, BOUNDS, resolution, one.path, *(arguments or (*share, *OPTIONS))]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    took_s = time.monotonic() - began_s
    print(f"\n== CPython {one}, {resolution} versions: {took_s:.0f} s\n{done.stdout}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Do as the command line says."""
    arguments = [one for one in sys.argv[1:] if one != "--list"]
    interpreters = found()
    for minor in MINORS:
        print(f"CPython 3.{minor}: {interpreters.get(minor, 'not on this machine, not tested')}", flush=True)
    if "--list" in sys.argv:
        return 0 if interpreters else 1
    runs = sorted(plan(interpreters), key=lambda run: run[1] == "pinned")  # those take less time
    with ThreadPoolExecutor(AT_ONCE) as threads:
        passed = list(threads.map(lambda run: tested(*run, arguments), runs))
    for (one, resolution), has_passed in zip(runs, passed, strict=True):
        if not has_passed:
            print(f"FAILED: CPython {one}, {resolution} versions")
    return 0 if runs and all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
