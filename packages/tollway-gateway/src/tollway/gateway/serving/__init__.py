"""What lives as long as the process serves, and what as long as a configuration does."""

from .lifetime import TRACER_NAME, Lifetime
from .snapshot import Snapshot, Snapshots, build

__all__ = ["TRACER_NAME", "Lifetime", "Snapshot", "Snapshots", "build"]
