"""The pipeline: a request's way from path to answer. Read `serve.py` first; each stage has its file."""

from .paths import Entrance, Paths
from .plan import Endpoint, destinations_of
from .record import Recorder
from .runtime import Runtime, Share
from .serve import Pipeline
from .wiring import providers_of, wire

__all__ = [
    "Endpoint",
    "Entrance",
    "Paths",
    "Pipeline",
    "Recorder",
    "Runtime",
    "Share",
    "destinations_of",
    "providers_of",
    "wire",
]
