"""What `pyproject.toml` cannot say: which modules are compiled, where there is a C compiler.

The engine's core is written once, in Python; Cython reads it with the types of the `.pxd` beside each module,
and what it makes is a second package, so that both can be there and the one that runs is a choice
(`tollway/tracing/_extensions.py`). Without a compiler the build succeeds all the same, and the first one
runs.

TOLLWAY_NO_EXTENSIONS=1 compiles nothing: for the wheel that runs anywhere.
"""

import os
import shutil
from pathlib import Path
from zlib import crc32

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE = Path("src")
CORE = SOURCE / "tollway/tracing/engine/_core"
COPY = Path("build/compiled/tollway/tracing/engine/_compiled")


def copied_core() -> list[Extension]:
    """Copy the core to where the compiled one belongs, and name its modules accordingly."""
    shutil.copytree(CORE, COPY, dirs_exist_ok=True)
    return [
        Extension(f"tollway.tracing.engine._compiled.{path.stem}", [str(COPY / path.name)])
        for path in sorted(CORE.glob("_[a-z]*.py"))
    ]


def others() -> list[Extension]:
    """Return what is written in Cython itself."""
    return [
        Extension(".".join(path.relative_to(SOURCE).with_suffix("").parts), [str(path)])
        for path in sorted(SOURCE.rglob("*.pyx"))
    ]


def extensions() -> list[Extension]:
    """Return what is to be compiled."""
    if os.environ.get("TOLLWAY_NO_EXTENSIONS"):
        return []
    found: list[Extension] = cythonize(
        [*copied_core(), *others()],
        include_path=[str(COPY.parents[3]), str(SOURCE)],
        build_dir=f"build/{crc32(Path(__file__).read_bytes()):08x}",  # other settings, other C
        language_level=3,
        compiler_directives={
            "annotation_typing": False,  # the types are the `.pxd`'s
            "nonecheck": True,  # what is None raises, as in Python
        },
    )
    for extension in found:
        extension.optional = True  # of what it is told before, `cythonize` forgets this
    return found


setup(ext_modules=extensions(), options={"build_ext": {"parallel": True}})  # a compiler a core
