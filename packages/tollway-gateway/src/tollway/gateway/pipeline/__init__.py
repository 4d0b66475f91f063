"""The pipeline: a request's way from path to answer. Read `serve.py` first; each stage has its file."""

from .endpoint import Endpoint
from .record import Recorder
from .routes import HTTPRoute, HTTPRoutes
from .runtime import Runtime, Share
from .serve import ASGIApp, Gateway
from .wiring import authenticator_of, destinations_of, providers_of, wire

__all__ = [
    "ASGIApp",
    "Endpoint",
    "Gateway",
    "HTTPRoute",
    "HTTPRoutes",
    "Recorder",
    "Runtime",
    "Share",
    "authenticator_of",
    "destinations_of",
    "providers_of",
    "wire",
]
