"""The data of genai-prices, read without what its classes need.

Its package imports pydantic and an HTTP client, 0.2 s and 10 MiB of every worker, of which a gateway uses
nothing: its prices are a module of plain constructor calls. That module is run here with records in the place
of the classes, which takes 30 ms. Should a version be built in another way, the package is imported as usual:
the attributes have the same names.
"""

from __future__ import annotations

import builtins
import logging
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_log = logging.getLogger(__name__)

_MODULE = "genai_prices.data"
_PROVIDED = frozenset({"Decimal"})
"""Names of the module that are not classes of genai-prices."""


def providers() -> list[Any]:
    """Return the providers of genai-prices with their models and prices. Raises ImportError."""
    spec = find_spec("genai_prices")  # imports nothing
    try:
        return _run(_code(spec))
    except Exception as error:
        _log.debug("the data of genai-prices is not as expected, so the package is imported: %s", error)
        from genai_prices.data import providers

        return providers


def _code(spec: ModuleSpec | None) -> CodeType:
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("genai-prices is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data.py"
    code: CodeType | None = SourceFileLoader(_MODULE, str(path)).get_code(
        _MODULE
    )  # of its .pyc, if there is one
    if code is None:
        raise ImportError(f"{path} has no code")
    return code


def _run(code: CodeType) -> list[Any]:
    records = ModuleType("records")
    for name in code.co_names:
        if name[0].isupper() and name not in _PROVIDED:
            setattr(records, name, type(name, (_Record,), {}))

    def take(name: str, *rest: Any, **named: Any) -> Any:
        level = named.get("level", rest[3] if len(rest) > 3 else 0)
        return records if level else builtins.__import__(name, *rest, **named)

    names: dict[str, Any] = {
        "__name__": _MODULE,
        "__builtins__": {**builtins.__dict__, "__import__": take},
    }
    exec(code, names)  # noqa: S102 - the code of an installed distribution, as an import would run it
    found: list[Any] = names["providers"]
    return found


class _Record:
    """Stands for a class of genai-prices: its attributes are what it was made with, all others None."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)
