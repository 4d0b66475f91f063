"""The part of a connection that runs for every request: compiled where it can be, else as it is written here.

Types of Cython's are in the `.pxd` beside the module, and nowhere in it; what runs is told by
`IS_COMPILED`. Why it is so: docs/decisions/0083.
"""

from typing import TYPE_CHECKING

from tollway.gateway._extensions import WANTED

IS_COMPILED = False

if WANTED and not TYPE_CHECKING:
    try:
        from tollway.gateway.upstream._compiled._connection import ConnectionCore

        IS_COMPILED = True
    except ImportError:
        pass

if not IS_COMPILED:
    from ._connection import ConnectionCore

__all__ = ["IS_COMPILED", "ConnectionCore"]
