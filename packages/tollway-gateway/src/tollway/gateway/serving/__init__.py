"""What lives as long as the process serves, and what as long as a configuration does."""

from .lifetime import TRACER_NAME, Lifetime, Reload
from .snapshot import Snapshot, Snapshots, build
from .standby import PrepareError, Standby

__all__ = [
    "TRACER_NAME",
    "Lifetime",
    "PrepareError",
    "Reload",
    "Snapshot",
    "Snapshots",
    "Standby",
    "build",
]
