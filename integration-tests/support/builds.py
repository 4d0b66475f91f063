"""Both builds of Tollway in one process: the compiled modules, and the Python that they are made from."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import tollway.tracing
from tollway.tracing.engine import IS_COMPILED

_FINDER = Path(__file__).parents[2] / "interpreted" / "sitecustomize.py"

COMPILED, INTERPRETED = "compiled", "interpreted"

NOT_COMPILED = "nothing is compiled: it takes a C compiler and Python.h"
"""Why tests of the compiled build are skipped."""

CAN_COMPILE = shutil.which("cc") is not None and Path(sysconfig.get_path("include"), "Python.h").exists()
"""Whether a build compiles here, unless it is told not to."""

_IGNORES_COMPILED = bool(os.environ.get("TOLLWAY_NO_EXTENSIONS")) and any(
    file for folder in tollway.tracing.__path__ for file in Path(folder).rglob("*.so")
)

BUILDS = [INTERPRETED] if _IGNORES_COMPILED else [COMPILED, INTERPRETED]
"""The builds that a run of the tests is about; where nothing is compiled, tests of that build are skipped."""

_interpreted: dict[str, ModuleType] = {}


@contextmanager
def using(build: str) -> Iterator[None]:
    """Have `tollway` be one build for everything that is imported inside.

    Every test module imported the build that runs; a test that takes its build as an argument imports what it
    needs inside, with `import_module`.
    """
    if build == COMPILED and not IS_COMPILED:
        pytest.skip(NOT_COMPILED)
    if (build == COMPILED) == IS_COMPILED:
        yield
        return
    here = _take_modules()
    finders = sys.meta_path[:]
    sys.modules.update(_interpreted)
    runpy.run_path(str(_FINDER))
    try:
        yield
    finally:
        sys.meta_path[:] = finders
        _interpreted.update(_take_modules())
        sys.modules.update(here)


def source_of(module: ModuleType) -> ModuleType:
    """Return the Python source of a module, run beside the build that is imported, and on its objects."""
    path = Path(str(module.__file__))
    found = spec_from_file_location(module.__name__, path.with_name(f"{path.name.partition('.')[0]}.py"))
    assert found is not None
    assert found.loader is not None
    source = module_from_spec(found)
    found.loader.exec_module(source)
    return source


def _take_modules() -> dict[str, ModuleType]:
    """Take Tollway's modules from those that Python knows."""
    names = [name for name in sys.modules if name == "tollway" or name.startswith("tollway.")]
    return {name: sys.modules.pop(name) for name in names}
