"""What machines ask every few seconds: is it alive, does it take requests, what does it count.

They are answered without FastAPI, so a gateway that only serves models never loads it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from tollway.gateway.apis import mlflow_shape
from tollway.gateway.errors import INTERNAL, Failure
from tollway.gateway.telemetry.metrics import InvalidAcceptError

_log = logging.getLogger(__name__)

DRAINING = "draining"
"""Why a gateway is not ready that is about to end."""

HEALTH, READY, METRICS = "/health", "/ready", "/metrics"

JSON = "application/json"
_OK = b'{"status":"OK"}'


class Answer(NamedTuple):
    """A whole answer to a probe."""

    status: int
    content_type: str
    body: bytes


class Probes:
    """Answers by path. `metrics` renders the exposition for an Accept header.

    `unready` says in a word why requests are not to be sent here; None when they are.
    """

    def __init__(
        self, metrics: Callable[[str], tuple[bytes, str]], unready: Callable[[], str | None]
    ) -> None:
        self._metrics = metrics
        self._unready = unready
        self._by_path = {HEALTH: self._health, READY: self._is_ready, METRICS: self._rendered}

    def __contains__(self, path: str) -> bool:
        return path in self._by_path

    def answer(self, path: str, accept: str) -> Answer:
        """Return the answer to a GET; what fails is logged and becomes a 500."""
        try:
            return self._by_path[path](accept)
        except InvalidAcceptError as error:
            _log.warning("rejected a request for %s: %s", path, error)
            failure = Failure(400, "invalid_header", str(error))
            return Answer(failure.status, JSON, mlflow_shape(failure))
        except Exception:
            _log.exception("the probe %s failed", path)
            return Answer(INTERNAL.status, JSON, mlflow_shape(INTERNAL))

    def _health(self, _: str) -> Answer:
        return Answer(200, JSON, _OK)

    def _is_ready(self, _: str) -> Answer:
        reason = self._unready()
        if reason is None:
            return Answer(200, JSON, _OK)
        return Answer(503, JSON, b'{"status":"UNAVAILABLE","reason":"%b"}' % reason.encode())

    def _rendered(self, accept: str) -> Answer:
        body, content_type = self._metrics(accept)
        return Answer(200, content_type, body)
