"""A dialect over HTTP: pure functions, no I/O. The gateway sends, times, retries and traces."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ._base import Provider
from ._decoder import StreamDecoder
from ._openai_dialect import PATHS, answer_of, body_of, without_options
from ._openai_errors import error_of_response
from ._openai_stream import OpenAIStream
from ._secrets import redactor_of
from ._settings import check_header_values
from ._values import (
    Answer,
    Call,
    SettingProblem,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)
from .errors import ProviderError

if TYPE_CHECKING:
    from .dialects import Speaker

_VERSION = re.compile(r"/v\d[\w.]*$", re.ASCII)


class HTTPProvider(Provider):
    """A model behind HTTP. Every method has OpenAI's dialect as its default: override what differs.

    A service that differs in nothing is a row of data:

        class AcmeProvider(HTTPProvider):
            base_url = "https://api.acme.example/v1"
            key_setting = "api_key"
            settings = (Setting("api_key", "the key of your Acme account", required=True, secret=True),)
    """

    base_url: ClassVar[str] = ""
    """Where the service is when the config does not say."""

    base_url_setting: ClassVar[str] = ""
    """The setting that says where the service is, if one does."""

    key_setting: ClassVar[str] = ""
    """The setting whose value is sent as a bearer token, if one is."""

    asks_usage: bool = True
    """Whether a stream is asked for its usage by `stream_options`; not where that field is refused."""

    takes_scanned: ClassVar[bool] = False
    """Whether `request`, where it is overridden, reads a payload as Python alone does: without handing it
    whole to C code, such as a JSON encoder. See `scanned.ScannedObject`."""

    raw_needs_body: bool = False
    """Whether `raw` needs the body, as a signature does; else a body may pass in pieces."""

    url: str
    """Where it is (scheme, host, base path): `server.address` and `server.port` of its spans."""

    query: str
    """The query of its base URL, which goes with every request; empty if there is none."""

    headers: tuple[tuple[str, str], ...]
    """Sent with every request, the key among them."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        base, _, self.query = str(target.config.get(self.base_url_setting) or self.base_url).partition("?")
        self.url = base.rstrip("/")
        key = target.config.get(self.key_setting)
        self.headers = (("authorization", f"Bearer {key}"),) if key else ()
        self.redact = redactor_of(self.settings, target.config)
        self._urls: dict[Task, str] = {}

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Say what is wrong with an endpoint's `model.config`; its secrets have to fit into headers."""
        yield from super().check(config, task)
        yield from check_header_values(cls.settings, config)

    def url_of(self, task: Task) -> str:
        """Return the address that serves a task; asked once for each."""
        return self.address(PATHS[task])

    def address(self, path: str) -> str:
        """Return the address of a path below the base URL, which keeps its query."""
        sign = "&" if "?" in path else "?"
        return f"{self.url}{path}{sign}{self.query}" if self.query else self.url + path

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask; raise `PayloadError` when the request cannot be said in this dialect."""
        url = self._urls.get(call.task)
        if url is None:
            url = self._urls[call.task] = self.url_of(call.task)
        if not self.asks_usage and "stream_options" in call.payload:
            call = without_options(call)
        headers = (("content-type", "application/json"), *self.headers)
        return UpstreamRequest(url, headers, body_of(call, self.target.model, ask_usage=self.asks_usage))

    def raw(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> UpstreamRequest:
        """Say how to pass on a request of the caller's own, with the credentials of the service.

        `path` begins with a slash, stands below the base URL and may have a query; `headers` have names in
        lower case, and nothing of the caller's credentials among them. Unless `raw_needs_body`, the gateway
        may send another body than this. A version that ends the base URL and begins the path is meant once.
        """
        ours = {name.lower() for name, _ in self.headers}
        kept = tuple(one for one in headers if one[0] not in ours)
        version = _VERSION.search(self.url)
        if version is not None and path.startswith(f"{version[0]}/"):
            path = path.removeprefix(version[0])
        return UpstreamRequest(self.address(path), kept + self.headers, body, method)

    def raw_model_path(self, api: str, method: str) -> str | None:
        """Return the path of a method of the model, for `raw`, in another vendor's API that the service has.

        `api` is `gemini`. None where the service does not have it.
        """
        return None

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer (status 2xx); raise `UpstreamError` or `ResponseError` when it is none."""
        return answer_of(call, response, self.redact, self.stream)

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream (status 2xx)."""
        return OpenAIStream(call, self.redact)

    def error(self, response: UpstreamResponse) -> ProviderError:
        """Read an answer whose status is not 2xx; never raises."""
        return error_of_response(response, self.redact, self.now_s)

    def speaking(self, dialect: str) -> Speaker | None:
        """Return what asks the service in another dialect that it speaks; None for a translation into chat.

        Dialects are named in `tollway.provider.dialects`; asked once for each.
        """
        return None

    def forgo_usage(self, call: Call, response: UpstreamResponse) -> bool:
        """Say whether a stream was refused for its `stream_options`, which the gateway adds.

        It is to be asked again: that, and every later one, goes without.
        """
        if not self.asks_usage or response.status not in (400, 422) or not call.stream:
            return False
        if b"stream_options" not in response.body and b"include_usage" not in response.body:
            return False
        self.asks_usage = False
        return True

    def now_s(self) -> float:
        """Return Unix time in seconds, for a `Retry-After` that is a date; a test may fix it."""
        return time.time()
