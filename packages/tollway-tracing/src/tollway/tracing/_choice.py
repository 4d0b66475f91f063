"""The one place that chooses how kept spans become bytes and files: compiled, or in Python."""

from contextlib import suppress
from importlib import import_module
from types import ModuleType

from ._extensions import WANTED

native: ModuleType | None = None
"""The compiled way (`_native.pyx`); None where it is not built, or not wanted."""

if WANTED:
    with suppress(ImportError):
        native = import_module("tollway.tracing._native")
