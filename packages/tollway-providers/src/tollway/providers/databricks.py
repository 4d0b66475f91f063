"""Databricks Model Serving: https://docs.databricks.com/machine-learning/model-serving/score-foundation-models."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    Setting,
    SettingProblem,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)

from ._base_url import check_base_url
from ._content_parts import plain_content_stream, with_plain_content
from ._headers import EXTRA_HEADERS, check_extra_headers, extra_headers
from ._tokens import Token, TokenSource

_EXAMPLE = "https://my-workspace.cloud.databricks.com"
_PATH = "/serving-endpoints"
_FETCH_S = 20.0


class DatabricksProvider(HTTPProvider):
    """Serving endpoints of a workspace, in OpenAI's dialect; the model's name is the endpoint's.

    A service principal (`client_id`, `client_secret`) gets its tokens by OAuth:
    https://docs.databricks.com/dev-tools/auth/oauth-m2m.
    """

    telemetry_name = "databricks"
    settings = (
        Setting("host", f"the workspace's address, such as {_EXAMPLE}", required=True),
        Setting("token", "a personal access token, best as $DATABRICKS_TOKEN", secret=True),
        Setting("client_id", "the id of a service principal, in the place of a token"),
        Setting("client_secret", "the service principal's OAuth secret", secret=True),
        EXTRA_HEADERS,
    )
    base_url_setting = "host"
    takes_scanned = True
    key_setting = "token"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that there is one way to authenticate."""
        yield from super().check(config, task)
        if isinstance(config.get("host"), str):
            yield from check_base_url("host", _with_scheme(config["host"]), _EXAMPLE)
        if not config.get("token"):
            for name in ("client_id", "client_secret"):
                if not config.get(name):
                    hint = "add it, or give a token"
                    yield SettingProblem(name, f"{name} is missing, and there is no token", hint)
        yield from check_extra_headers(config)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        config = target.config
        self.url = _with_scheme(self.url)
        self._workspace = self.url.removesuffix(_PATH)
        self.url = self._workspace + _PATH
        self.headers += extra_headers(config)
        self._tokens = None if config.get("token") else TokenSource(self.fetch_token)

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask, with a token that is good."""
        return self._with_token(super().request(call))

    def raw(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> UpstreamRequest:
        """Say how to pass on a request, with a token that is good."""
        return self._with_token(super().raw(method, path, headers, body))

    def _with_token(self, request: UpstreamRequest) -> UpstreamRequest:
        if self._tokens is None:
            return request
        return request._replace(headers=(*request.headers, ("authorization", f"Bearer {self._tokens.get()}")))

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer; what a model thought is beside its text."""
        answer = super().response(call, response)
        return answer if call.task is Task.EMBEDDINGS else with_plain_content(answer)

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        return plain_content_stream(super().stream(call))

    def fetch_token(self) -> Token[str]:
        """Ask the workspace for a token of the service principal; blocks."""
        config = self.target.config
        pair = f"{config.get('client_id')}:{config.get('client_secret')}".encode()
        request = urllib.request.Request(  # noqa: S310  # `check` lets http and https pass, nothing else
            f"{self._workspace}/oidc/v1/token",
            urlencode({"grant_type": "client_credentials", "scope": "all-apis"}).encode(),
            {"authorization": f"Basic {base64.b64encode(pair).decode()}"},
        )
        with urllib.request.urlopen(request, timeout=_FETCH_S) as answer:  # noqa: S310  # as above
            said = json.load(answer)
        return Token(str(said["access_token"]), float(said["expires_in"]))


def _with_scheme(host: str) -> str:
    return host if "://" in host else f"https://{host}"
