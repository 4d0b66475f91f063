"""Gemini on Vertex AI: its addresses, its embeddings, and how it gets a token."""

import io
import json
import urllib.error
import urllib.request
from datetime import timedelta
from email.message import Message
from typing import Any, ClassVar

import pytest

from tollway.provider import Call, Target, Task, UpstreamResponse
from tollway.provider.testing import ProviderContract
from tollway.providers._tokens import Token, TokenSource
from tollway.providers.vertex_ai import VertexAIProvider

pytest.importorskip("google.auth", reason="needs tollway-providers[google]")

WHOLE = (
    b'{"candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],'
    b' "usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 1}, "responseId": "r-1"}'
)
VECTORS = b'{"predictions": [{"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 2}}}]}'
STREAM = b"data: %b\n\n" % WHOLE.replace(b'"STOP"', b"null") + b"data: %b\n\n" % WHOLE
CONFIG = {"vertex_project": "acme", "vertex_location": "us-central1"}


class WithToken(VertexAIProvider):
    """Has a token from the beginning."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._tokens = TokenSource(self.fetch_token, start=lambda run: run())

    def fetch_token(self) -> Token:
        return Token("ya29.fresh", 3600)


class TestContract(ProviderContract):
    provider = WithToken
    config: ClassVar[Any] = CONFIG
    answers: ClassVar[Any] = {Task.CHAT: WHOLE, Task.COMPLETIONS: WHOLE, Task.EMBEDDINGS: VECTORS}
    streams: ClassVar[Any] = {Task.CHAT: STREAM, Task.COMPLETIONS: STREAM}


def request(
    task: Task = Task.CHAT, model: str = "gemini-3-flash", *, stream: bool = False, **config: Any
) -> Any:
    payload: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "input": "a"}
    return WithToken(Target("e", task, model, {**CONFIG, **config})).request(Call(task, payload, b"", stream))


@pytest.mark.parametrize(
    ("location", "where"),
    [
        (
            "us-central1",
            "https://us-central1-aiplatform.googleapis.com/v1/projects/acme/locations/us-central1",
        ),
        ("global", "https://aiplatform.googleapis.com/v1/projects/acme/locations/global"),
    ],
)
def test_the_address_is_that_of_project_and_region(location: str, where: str) -> None:
    whole, stream = request(vertex_location=location), request(vertex_location=location, stream=True)

    assert f"{where}/publishers/google/models/gemini-3-flash:generateContent" == whole.url
    assert f"{where}/publishers/google/models/gemini-3-flash:streamGenerateContent?alt=sse" == stream.url
    assert "Bearer ya29.fresh" == dict(whole.headers)["authorization"]


def test_a_model_may_say_who_publishes_it() -> None:
    assert "/locations/us-central1/publishers/acme/models/m:" in request(model="publishers/acme/models/m").url


def test_embeddings_are_predictions() -> None:
    asked = request(Task.EMBEDDINGS, "text-embedding-005")

    assert asked.url.endswith("/publishers/google/models/text-embedding-005:predict")
    assert {"instances": [{"content": "a"}]} == json.loads(asked.body)
    provider = WithToken(Target("e", Task.EMBEDDINGS, "m", CONFIG))
    answer = provider.response(Call(Task.EMBEDDINGS, {}, b""), UpstreamResponse(200, {}, VECTORS))
    said = json.loads(answer.body)
    assert ([0.5, 1.0], 2) == (said["data"][0]["embedding"], said["usage"]["prompt_tokens"])


def test_credentials_that_are_no_json_are_a_problem() -> None:
    (problem,) = VertexAIProvider.check({**CONFIG, "vertex_credentials": "AIza"}, Task.CHAT)

    assert "vertex_credentials" == problem.key


def test_credentials_may_have_lines() -> None:
    """They are a file's, and go into no header."""
    given = json.dumps({"type": "service_account", "private_key": "a"}, indent=2)

    assert [] == list(VertexAIProvider.check({**CONFIG, "vertex_credentials": given}, Task.CHAT))


@pytest.fixture(scope="module")
def account() -> str:
    """A service account's key, made here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "gateway@acme.iam.gserviceaccount.com",
            "private_key": pem.decode(),
            "private_key_id": "1",
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    )


def test_a_service_account_asks_google_for_its_token(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By google-auth, which signs; the request goes out by the standard library."""
    asked: list[urllib.request.Request] = []

    class Answer(io.BytesIO):
        status = 200
        headers = Message()

    def answer(request: urllib.request.Request, timeout: float) -> Answer:
        asked.append(request)
        return Answer(b'{"access_token": "ya29.real", "expires_in": 3599, "token_type": "Bearer"}')

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    made = WithToken(Target("e", Task.CHAT, "m", {**CONFIG, "vertex_credentials": account}))
    token = VertexAIProvider.fetch_token(made)

    assert "ya29.real" == token.value
    assert timedelta(minutes=59) < timedelta(seconds=token.lifetime_s) <= timedelta(hours=1)
    assert ["https://oauth2.googleapis.com/token"] == [one.full_url for one in asked]
    assert b"grant_type=urn" in (asked[0].data or b"")


def test_what_google_refuses_is_said(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: urllib.request.Request, timeout: float) -> Any:
        said = io.BytesIO(b'{"error": "invalid_grant", "error_description": "Invalid JWT"}')
        raise urllib.error.HTTPError(request.full_url, 400, "Bad Request", Message(), said)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    made = WithToken(Target("e", Task.CHAT, "m", {**CONFIG, "vertex_credentials": account}))

    with pytest.raises(Exception, match="invalid_grant"):
        VertexAIProvider.fetch_token(made)
