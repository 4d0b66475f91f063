"""Run Tollway from its Python source, although compiled modules lie beside it.

`PYTHONPATH=interpreted python ...` does so in any process and its children: Python imports this module when
it starts. The tests do so with `TOLLWAY_NO_EXTENSIONS=1` (`conftest.py`).
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


class SourceFinder(MetaPathFinder):
    """Finds the `.py` of a module of Tollway that is compiled."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the source is; None for a module that is not compiled, or has no Python source."""
        if not fullname.startswith("tollway."):
            return None
        stem = fullname.rpartition(".")[2]
        for folder in map(Path, path or ()):
            if any((folder / f"{stem}{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
                source = folder / f"{stem}.py"
                return spec_from_file_location(fullname, source) if source.exists() else None
        return None


sys.meta_path.insert(0, SourceFinder())
