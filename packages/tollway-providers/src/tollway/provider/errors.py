"""What can go wrong between the gateway and a model.

ProviderError
├── PayloadError              the caller's request cannot be said in this dialect
├── UpstreamError             the model's service answered with an error status
├── UpstreamConnectionError   it could not be reached, or hung up before it answered
├── UpstreamTimeoutError      it did not answer in time
├── ResponseError             it answered with something that is no answer
├── StreamError               a stream ended before its end, or carried garbage or an error
└── PredictionError           a `predict` raised, or returned something unusable
PluginError
├── ProviderNotFoundError     nothing installed goes by that name
└── ProviderImportError       an installed plugin does not import
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .error_kinds import ErrorKind, kind_of_status


class ProviderError(Exception):
    """A model did not give an answer; carries what the caller of the gateway is told.

    `status` is the HTTP status that the caller gets, `code` a stable word for programs, `message` a sentence
    for people that never holds a secret, `param` the request field at fault, `retry_after_s` the wait that
    the upstream asked for, in seconds (None if that is no finite time). `kind` says what may follow, by
    default what `status` implies. `type` is the upstream's own `error.type`, `details` are the other fields
    of its error object, without secrets.
    """

    status: int = 502
    code: str = "provider_error"
    kind: ErrorKind

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        kind: ErrorKind | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code
        self.param = param
        if retry_after_s is not None and not 0 <= retry_after_s < math.inf:
            retry_after_s = None  # also where it is not a number
        self.retry_after_s = retry_after_s
        self.kind = kind or self._default_kind()
        self.type: str | None = None
        self.details: Mapping[str, Any] = {}

    def _default_kind(self) -> ErrorKind:
        return kind_of_status(self.status)


class PayloadError(ProviderError):
    """The caller's request cannot be said in this dialect."""

    status = 400
    code = "invalid_request"


def too_deep() -> PayloadError:
    """Return why a request is refused that is nested too deep to be written for a model."""
    return PayloadError("the request is nested too deep for this model", code="json_too_deep")


class UpstreamError(ProviderError):
    """The model's service answered with an error status; `upstream_status` is the one it sent."""

    code = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
        kind: ErrorKind | None = None,
    ) -> None:
        self.upstream_status = upstream_status
        super().__init__(
            message, status=status, code=code, param=param, retry_after_s=retry_after_s, kind=kind
        )

    def _default_kind(self) -> ErrorKind:
        return kind_of_status(self.upstream_status)


class UpstreamConnectionError(ProviderError):
    """The model's service could not be reached, or hung up before it answered."""

    code = "upstream_unreachable"


class UpstreamTimeoutError(ProviderError):
    """The model's service did not answer in time."""

    status = 504
    code = "upstream_timeout"

    def _default_kind(self) -> ErrorKind:
        return ErrorKind.SILENT


class ResponseError(ProviderError):
    """The model's service answered with something that is no answer."""

    code = "upstream_invalid_response"


class StreamError(ProviderError):
    """A stream ended before its end, or carried garbage or an error of the upstream's."""

    code = "stream_incomplete"


class PredictionError(ProviderError):
    """A `predict` raised, or returned something that is no answer."""

    status = 500
    code = "prediction_failed"


class PluginError(Exception):
    """A provider that a config names cannot be had."""


class ProviderNotFoundError(PluginError):
    """Nothing installed goes by that name."""


class ProviderImportError(PluginError):
    """An installed plugin does not import; the message names its distribution."""
