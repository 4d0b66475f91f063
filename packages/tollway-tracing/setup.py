"""What `pyproject.toml` cannot say: which modules are compiled, where there is a C compiler.

A core (each package `_core`) is written once, in Python; Cython reads it with the types of the `.pxd` beside
each module, and what it makes is a second package beside it, so that both can be there and the one that runs
is a choice (`_extensions.py`). Without a compiler the build succeeds all the same, and the first one runs.

TOLLWAY_NO_EXTENSIONS=1 compiles nothing: for the wheel that runs anywhere.

A distribution must build alone: each that has a core has this file, and a test holds them to be the same.
"""

import os
import shutil
from pathlib import Path
from zlib import crc32

from Cython.Build import cythonize
from setuptools import Extension, setup

SOURCE = Path("src")
COPIES = Path("build/compiled")


def copied(core: Path) -> list[Extension]:
    """Copy a core to where the compiled one belongs, and name its modules accordingly."""
    package = core.relative_to(SOURCE).with_name("_compiled")
    shutil.copytree(core, COPIES / package, dirs_exist_ok=True)
    return [
        Extension(".".join((*package.parts, path.stem)), [str(COPIES / package / path.name)])
        for path in sorted(core.glob("_[a-z]*.py"))
    ]


def written_in_cython() -> list[Extension]:
    """Return what has no Python to be made of."""
    return [
        Extension(".".join(path.relative_to(SOURCE).with_suffix("").parts), [str(path)])
        for path in sorted(SOURCE.rglob("*.pyx"))
    ]


def extensions() -> list[Extension]:
    """Return what is to be compiled."""
    if os.environ.get("TOLLWAY_NO_EXTENSIONS"):
        return []
    cores = [extension for core in sorted(SOURCE.rglob("_core")) for extension in copied(core)]
    found: list[Extension] = cythonize(
        cores + written_in_cython(),
        include_path=[str(COPIES), str(SOURCE)],
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


setup(ext_modules=extensions(), options={"build_ext": {"parallel": True}})  # a C compiler for each processor
