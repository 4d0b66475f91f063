"""Refuses an interpreter that Tollway does not run on: when it is imported, or run by its path."""

from __future__ import annotations

import sys


def require_gil(abiflags: str) -> None:
    """Raise ImportError for a free-threaded Python (PEP 703), whose `sys.abiflags` have a `t`."""
    if "t" in abiflags:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise ImportError(
            f"Tollway does not support free-threaded Python ({version}t): orjson, which it needs, has no "
            f"wheels for it. Use the standard build: python{version}, or with uv `--python {version}+gil`."
        )


require_gil(sys.abiflags)
