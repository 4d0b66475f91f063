"""The data plane: a request's way from path to answer. Read `plane.py` first; each stage has its file."""

from .attempt_predict import Surroundings
from .paths import Entrance, Paths
from .plane import DataPlane
from .record import Recorder
from .route import Endpoint, destinations_of
from .wiring import Parts, providers_of, wire

__all__ = [
    "DataPlane",
    "Endpoint",
    "Entrance",
    "Parts",
    "Paths",
    "Recorder",
    "Surroundings",
    "destinations_of",
    "providers_of",
    "wire",
]
