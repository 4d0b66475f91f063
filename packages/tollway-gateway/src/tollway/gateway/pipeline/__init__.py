"""The pipeline: a request's way from path to answer. Read `serve.py` first; each stage has its file."""

from .attempt_predict import Surroundings
from .paths import Entrance, Paths
from .plan import Endpoint, destinations_of
from .record import Recorder
from .serve import Pipeline
from .wiring import Parts, providers_of, wire

__all__ = [
    "Endpoint",
    "Entrance",
    "Parts",
    "Paths",
    "Pipeline",
    "Recorder",
    "Surroundings",
    "destinations_of",
    "providers_of",
    "wire",
]
