"""The part of the engine that runs for every span: compiled where it can be, else as it is written here.

Types of Cython's are in the `.pxd` beside each module, and nowhere in it; what runs is told by
`IS_COMPILED`. Why it is so: docs/decisions/0083.
"""

from typing import TYPE_CHECKING

from tollway.tracing._extensions import WANTED

IS_COMPILED = False

if WANTED and not TYPE_CHECKING:
    try:
        from tollway.tracing.engine._compiled._counts import Counts
        from tollway.tracing.engine._compiled._engine import Engine
        from tollway.tracing.engine._compiled._local import LocalTrace, MeteredTrace
        from tollway.tracing.engine._compiled._span import SpanCore, warn_ended
        from tollway.tracing.engine._compiled._tracer import TracerCore

        IS_COMPILED = True
    except ImportError:
        pass

if not IS_COMPILED:
    from ._counts import Counts
    from ._engine import Engine
    from ._local import LocalTrace, MeteredTrace
    from ._span import SpanCore, warn_ended
    from ._tracer import TracerCore

__all__ = [
    "IS_COMPILED",
    "Counts",
    "Engine",
    "LocalTrace",
    "MeteredTrace",
    "SpanCore",
    "TracerCore",
    "warn_ended",
]
