"""Amazon Bedrock by its Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html

Requests are signed (SigV4) by botocore's signer, or carry a key of Bedrock's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from importlib import util
from typing import Any
from urllib.parse import quote

import orjson

from tollway.provider import (
    Answer,
    Call,
    ErrorKind,
    PayloadError,
    ProviderError,
    Setting,
    SettingProblem,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)

from ._aws_credentials import Credentials, check_aws_config, credentials_of, sign
from ._base_url import check_base_url
from ._bedrock_answer import ConverseStream, answer_of
from ._bedrock_request import body_of
from ._chat_request import said
from ._chunk_stream import load
from ._native import NativeProvider

_EXAMPLE = "https://bedrock-runtime.us-east-1.amazonaws.com"
_INSTALL = "pip install 'tollway-providers[aws]'"
_MODEL_FAILED = 424
"""ModelErrorException: the model failed with this request, and may not with the next."""


class BedrockProvider(NativeProvider):
    """OpenAI's chat in, Converse upstream, OpenAI's chat out; embeddings of Titan and Cohere."""

    telemetry_name = "aws.bedrock"
    settings = (
        Setting(
            "aws_config",
            "aws_region, and aws_access_key_id with aws_secret_access_key (and aws_session_token),"
            " aws_role_arn (and session_length_seconds), or aws_bearer_token;"
            " without these, the environment's credentials",
            type=dict,
            required=True,
            secret=True,
        ),
        Setting("bedrock_api_base", f"the address of the API, such as {_EXAMPLE}"),
    )
    base_url_setting = "bedrock_api_base"
    extensions = frozenset({"cache_control"})

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings those of the credentials."""
        yield from super().check(config, task)
        yield from check_base_url("bedrock_api_base", config.get("bedrock_api_base"), _EXAMPLE)
        aws = config.get("aws_config")
        if isinstance(aws, dict):
            yield from check_aws_config(aws)
            if not aws.get("aws_bearer_token") and util.find_spec("botocore") is None:
                yield SettingProblem(None, "the package botocore is not installed", f"run: {_INSTALL}")

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        aws = target.config["aws_config"]
        self._region = str(aws.get("aws_region") or "us-east-1")
        partition = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        self.url = self.url or f"https://bedrock-runtime.{self._region}.{partition}"
        key = aws.get("aws_bearer_token")
        self.headers = (("authorization", f"Bearer {key}"),) if key else ()
        self._credentials: Credentials | None = None if key else credentials_of(aws, self._region)
        self.raw_needs_body = self._credentials is not None
        self._model = quote(target.model, safe="")
        if "anthropic" in target.model:  # others are told how to think in their own words
            self.extensions = frozenset({"thinking", "cache_control"})

    def url_for(self, task: Task, *, stream: bool) -> str:
        """Return the address of a method of the model."""
        method = "invoke" if task is Task.EMBEDDINGS else "converse-stream" if stream else "converse"
        return self.address(f"/model/{self._model}/{method}")

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask, signed."""
        return self._signed(super().request(call))

    def raw(
        self, method: str, path: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> UpstreamRequest:
        """Say how to pass on a request, signed."""
        kept = tuple(one for one in headers if not one[0].startswith("x-amz-"))  # of a signature by another
        return self._signed(super().raw(method, path, kept, body))

    def _signed(self, request: UpstreamRequest) -> UpstreamRequest:
        return request if self._credentials is None else sign(request, self._credentials.get(), self._region)

    def chat_body(self, call: Call) -> dict[str, Any]:
        """Return the body of Converse."""
        return body_of(call.payload, self.target.model)

    def chat_answer(self, body: Any, call: Call) -> Answer:
        """Read a whole answer."""
        return answer_of(body, _new_id(), self.target.model, int(self.now_s()))

    def chat_stream(self, call: Call) -> StreamDecoder:
        """Return a decoder of ConverseStream."""
        decoder = ConverseStream(call, self.redact, int(self.now_s()), lambda raw: self._whole(call, raw))
        decoder.name(_new_id(), self.target.model)
        return decoder

    def embeddings_body(self, call: Call, texts: list[str]) -> dict[str, Any]:
        """Return the body of InvokeModel, which is each model's own:
        https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html.
        """
        if "cohere" in self.target.model:
            more = said(call.payload, {"input_type": "input_type", "dimensions": "output_dimension"})
            return {"texts": texts, "input_type": "search_document", **more}
        if len(texts) > 1:
            raise PayloadError("this model takes one text at a time", param="input")
        return {"inputText": texts[0], **said(call.payload, {"dimensions": "dimensions"})}

    def embeddings_of(self, body: Any) -> dict[str, Any]:
        """Return the vectors; Titan tells its tokens, Cohere does not."""
        if "embedding" in body:
            tokens = body.get("inputTextTokenCount")
            usage = {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}} if tokens is not None else {}
            return {"embeddings": [body["embedding"]], **usage}
        vectors = body["embeddings"]
        return {"embeddings": vectors["float"] if isinstance(vectors, dict) else vectors}

    def error(self, response: UpstreamResponse) -> ProviderError:
        """Read an answer whose status is not 2xx; a header says which exception it is."""
        kind = response.headers.get("x-amzn-errortype")
        body = load(response.body)
        if kind and isinstance(body, dict):
            response = response._replace(body=orjson.dumps({"__type": kind, **body}))
        error = super().error(response)
        if response.status == _MODEL_FAILED and error.kind is ErrorKind.NEVER:
            error.kind = ErrorKind.RETRYABLE
        return error


def _new_id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex}"
