"""The part of the server that runs for every request: compiled where it can be, else as it is written here.

Types of Cython's are in the `.pxd` beside each module, and nowhere in it; what runs is told by
`IS_COMPILED`. Why it is so: docs/decisions/0083.
"""

from typing import TYPE_CHECKING

from tollway.gateway._extensions import WANTED

IS_COMPILED = False

if WANTED and not TYPE_CHECKING:
    try:
        from tollway.gateway.server._compiled._exchange import ExchangeCore
        from tollway.gateway.server._compiled._protocol import ProtocolCore

        IS_COMPILED = True
    except ImportError:
        pass

if not IS_COMPILED:
    from ._exchange import ExchangeCore
    from ._protocol import ProtocolCore

__all__ = ["IS_COMPILED", "ExchangeCore", "ProtocolCore"]
