"""Gemini on Vertex AI: the same dialect, another address, and Google Cloud's credentials.

https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC
from importlib import util
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from tollway.provider import Call, Setting, SettingProblem, Target, Task, UpstreamRequest

from ._base_url import check_base_url
from ._chat_request import said
from ._chunk_stream import load
from ._tokens import Token, TokenSource
from .gemini import METHODS, GoogleProvider

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_FETCH_S = 20.0
_LIFETIME_S = 3600.0
_INSTALL = "pip install 'tollway-providers[google]'"
_EXAMPLE = "https://us-central1-aiplatform.googleapis.com"


class VertexAIProvider(GoogleProvider):
    """Google's own models on Vertex AI; credentials are those of a service account, or the environment's."""

    telemetry_name = "gcp.vertex_ai"
    settings = (
        Setting("vertex_project", "the id of the Google Cloud project", required=True),
        Setting("vertex_location", "the region, such as us-central1, or global", default="global"),
        Setting(
            "vertex_credentials",
            "the JSON of a service account's key, or its file; without it, Application Default Credentials",
            secret=True,
        ),
        Setting("vertex_api_base", f"the address of the API, such as {_EXAMPLE}"),
    )
    base_url_setting = "vertex_api_base"

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that google-auth is there, and the credentials are JSON."""
        yield from super().check(_without_line_ends(config), task)
        yield from check_base_url("vertex_api_base", config.get("vertex_api_base"), _EXAMPLE)
        if config.get("vertex_credentials") and _service_account(config) is None:
            hint = "give the JSON of a service account's key, or the path of its file"
            yield SettingProblem("vertex_credentials", "vertex_credentials is not JSON", hint)
        if util.find_spec("google") is None or util.find_spec("google.auth") is None:
            yield SettingProblem(None, "the package google-auth is not installed", f"run: {_INSTALL}")

    def __init__(self, target: Target) -> None:
        config = target.config
        super().__init__(target)
        location = str(config.get("vertex_location") or "global")
        region = "" if location == "global" else f"{location}-"
        if not config.get("vertex_api_base"):
            self.url = f"https://{region}aiplatform.googleapis.com"
        project = quote(str(config["vertex_project"]), safe="")
        self.url += f"/v1/projects/{project}/locations/{quote(location, safe='')}"
        self._model = target.model
        self._tokens = TokenSource(self.fetch_token)

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of a method of the model; a name with a slash says who publishes it."""
        return self.address(self._path_of("predict" if task is Task.EMBEDDINGS else METHODS[stream]))

    def _path_of(self, method: str) -> str:
        publisher, slash, model = self._model.rpartition("/")
        publisher = publisher if slash else "publishers/google/models"
        return f"/{quote(publisher)}/{quote(model)}:{method}"

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask, with a token that is good."""
        return self._with_token(super().request(call))

    def raw(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> UpstreamRequest:
        """Say how to pass on a request, with a token that is good; paths begin behind the location."""
        return self._with_token(super().raw(method, path, headers, body))

    def _with_token(self, request: UpstreamRequest) -> UpstreamRequest:
        return request._replace(headers=(*request.headers, ("authorization", f"Bearer {self._tokens.get()}")))

    def embeddings_body(self, call: Call, texts: list[str]) -> dict[str, Any]:
        """Return the body of `predict`:
        https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api.
        """
        more = said(call.payload, {"task_type": "task_type"})
        parameters = said(call.payload, {"dimensions": "outputDimensionality"})
        instances = [{"content": text, **more} for text in texts]
        return {"instances": instances, **({"parameters": parameters} if parameters else {})}

    def embeddings_of(self, body: Any) -> dict[str, Any]:
        """Return the vectors, and the tokens that their statistics tell."""
        found = [one["embeddings"] for one in body["predictions"]]
        tokens = sum(int(one.get("statistics", {}).get("token_count", 0)) for one in found)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"embeddings": [one["values"] for one in found], "usage": usage}

    def fetch_token(self) -> Token[str]:
        """Ask google-auth for a token; blocks."""
        import google.auth
        from google.oauth2 import service_account

        info = _service_account(self.target.config)
        transport: Any = _ask_google  # most of google-auth is untyped
        made: Any = service_account.Credentials
        if info is None:
            credentials, _ = google.auth.default(scopes=[_SCOPE], request=transport)
        else:
            credentials = made.from_service_account_info(info, scopes=[_SCOPE])
        refresh: Any = credentials.refresh
        refresh(transport)
        ends = credentials.expiry  # UTC, without saying so
        lifetime_s = ends.replace(tzinfo=UTC).timestamp() - time.time() if ends else _LIFETIME_S
        return Token(str(credentials.token), lifetime_s)


def _ask_google(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> Any:
    """Send a request of google-auth's (`google.auth.transport.Request`), which comes without a client."""
    if not url.startswith(("https://", "http://")):  # also the metadata server's, and a proxy's of tests
        raise ValueError("credentials may only be fetched over HTTP")
    asked = urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(asked, timeout=timeout or _FETCH_S) as answer:  # noqa: S310  # as above
            return SimpleNamespace(status=answer.status, headers=answer.headers, data=answer.read())
    except urllib.error.HTTPError as error:  # an answer like any other, which google-auth reads
        return SimpleNamespace(status=error.code, headers=error.headers, data=error.read())


def _service_account(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the service account of the config; None when there is none, or it cannot be read."""
    info = load(str(config.get("vertex_credentials") or "").encode())
    return info if isinstance(info, dict) else None


def _without_line_ends(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with credentials that go into no header as if they did."""
    given = config.get("vertex_credentials")
    return {**config, "vertex_credentials": "".join(given.split())} if isinstance(given, str) else {**config}
