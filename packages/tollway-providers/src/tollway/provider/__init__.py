"""The provider contract of the Tollway gateway."""

from . import _abi as _abi  # first: where it refuses, other imports fail too
from ._base import BaseProvider, Prediction, Predictions, Provider
from ._decoder import StreamDecoder
from ._http import HTTPProvider
from ._settings import with_defaults
from ._values import (
    Answer,
    AnswerInfo,
    Call,
    Dialect,
    Setting,
    SettingProblem,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
    Usage,
    UsageDetails,
)
from .error_kinds import ErrorKind
from .errors import (
    PayloadError,
    PluginError,
    PredictionError,
    ProviderError,
    ProviderImportError,
    ProviderNotFoundError,
    ResponseError,
    StreamError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamTimeoutError,
)

__all__ = [
    "Answer",
    "AnswerInfo",
    "BaseProvider",
    "Call",
    "Dialect",
    "ErrorKind",
    "HTTPProvider",
    "PayloadError",
    "PluginError",
    "Prediction",
    "PredictionError",
    "Predictions",
    "Provider",
    "ProviderError",
    "ProviderImportError",
    "ProviderNotFoundError",
    "ResponseError",
    "Setting",
    "SettingProblem",
    "StreamDecoder",
    "StreamError",
    "Target",
    "Task",
    "UpstreamConnectionError",
    "UpstreamError",
    "UpstreamRequest",
    "UpstreamResponse",
    "UpstreamTimeoutError",
    "Usage",
    "UsageDetails",
    "with_defaults",
]
