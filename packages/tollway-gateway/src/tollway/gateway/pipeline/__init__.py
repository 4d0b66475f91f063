"""The pipeline: a request's way from path to answer. Read `serve.py` first; each stage has its file."""

from .carried import CarriedState
from .endpoint import Endpoint
from .record import Recorder
from .routes import HTTPRoute, HTTPRoutes
from .runtime import Runtime, Share
from .serve import ASGIApp, Gateway
from .wiring import Wiring, authenticator_of, providers_of

__all__ = [
    "ASGIApp",
    "CarriedState",
    "Endpoint",
    "Gateway",
    "HTTPRoute",
    "HTTPRoutes",
    "Recorder",
    "Runtime",
    "Share",
    "Wiring",
    "authenticator_of",
    "providers_of",
]
