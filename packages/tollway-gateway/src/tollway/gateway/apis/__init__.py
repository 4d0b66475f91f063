"""The front doors: one object for each API that callers speak."""

from . import mlflow
from .api import API, APICall, Continuation
from .shapes import ErrorShape, anthropic_shape, mlflow_shape, openai_shape
from .table import APIS, api_of, shape_of

__all__ = [
    "API",
    "APIS",
    "APICall",
    "Continuation",
    "ErrorShape",
    "anthropic_shape",
    "api_of",
    "mlflow",
    "mlflow_shape",
    "openai_shape",
    "shape_of",
]
