"""What `pyproject.toml` cannot say: which modules are compiled, where there is a C compiler.

A module is compiled when a `.pxd` with its name lies beside it. Cython reads the Python with the types of the
`.pxd`, and the extension module is imported in place of the Python beside it. A `.pyx` is compiled as well,
and goes before a `.py` with its name.
Without a compiler the build succeeds all the same, and the Python runs.

TOLLWAY_NO_EXTENSIONS=1 compiles nothing: for the wheel that runs anywhere.

A distribution must build alone: each that has compiled modules has this file, and a test holds them to be
the same.
"""

import os
import sys
from pathlib import Path
from zlib import crc32

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path("src")

# What GCC 14 and Clang 16 refuse is an error for older compilers too, so that every build finds it.
ERRORS = [
    f"-Werror={name}"
    for name in ("incompatible-pointer-types", "int-conversion", "implicit-function-declaration")
]

# Calls into Python go through the table of addresses alone, without the stubs that would bind them at their
# first use: a request makes hundreds of them from many modules, and each stub is one more line of a small
# instruction cache. It saves 3 % of a request's CPU.
LINKING = {"extra_compile_args": ["-fno-plt", *ERRORS], "extra_link_args": ["-Wl,-z,now"]}
FLAGS = LINKING if sys.platform == "linux" else {}


def in_place() -> list[Extension]:
    """Return the modules that have types beside them, and those that are written in Cython."""
    sources = {path.with_suffix(""): path.with_suffix(".py") for path in SOURCE.rglob("*.pxd")}
    sources |= {path.with_suffix(""): path for path in SOURCE.rglob("*.pyx")}
    return [
        Extension(".".join(path.relative_to(SOURCE).with_suffix("").parts), [str(path)], **FLAGS)
        for path in sorted(filter(Path.exists, sources.values()))
    ]


def extensions() -> list[Extension]:
    """Return what is to be compiled."""
    if os.environ.get("TOLLWAY_NO_EXTENSIONS"):
        return []
    found: list[Extension] = cythonize(
        in_place(),
        include_path=[str(SOURCE)],
        build_dir=f"build/{crc32(Path(__file__).read_bytes()):08x}",  # other settings, other C
        language_level=3,
        compiler_directives={
            "annotation_typing": False,  # the types are the `.pxd`'s
            "nonecheck": True,  # what is None raises, as in Python
        },
    )
    for extension in found:
        extension.optional = True  # `cythonize` drops what was set before
    return found


class AllOrNothing(build_ext):
    """Compile on all cores. A compiled module needs those that it names: without one, there is none."""

    def build_extensions(self) -> None:
        """Compile; where a module does not compile, leave all to the Python and say so."""
        self.parallel = True
        super().build_extensions()
        built = [Path(self.get_ext_fullpath(extension.name)) for extension in self.extensions]
        if not all(map(Path.exists, built)):
            for path in built:
                path.unlink(missing_ok=True)
            self.warn("a module did not compile: none is, and the Python runs, a little slower")


setup(ext_modules=extensions(), cmdclass={"build_ext": AllOrNothing})
