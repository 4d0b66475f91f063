"""How providers pass requests on raw: to which address, with which credentials."""

from __future__ import annotations

import pytest

from tollway.provider import Target, Task
from tollway.provider.discovery import load
from tollway.providers.vertex_ai import VertexAIProvider

KEY = "key-of-the-gateway"
AWS = {"aws_region": "eu-west-1", "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": KEY}
GROQ = "https://api.groq.com/openai/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta"
AZURE = {"azure_api_key": KEY, "azure_api_base": "https://r.example", "azure_api_version": "1"}


def provider(name: str, model: str, config: dict):
    return load(name)(Target("e", Task.CHAT, model, config))


@pytest.mark.parametrize(
    ("name", "config", "path", "url", "header"),
    [
        (
            "openai",
            {"openai_api_key": KEY},
            "/images/generations?a=1",
            "https://api.openai.com/v1/images/generations?a=1",
            ("authorization", f"Bearer {KEY}"),
        ),
        ("groq", {"api_key": KEY}, "/v1/models", f"{GROQ}/models", ("authorization", f"Bearer {KEY}")),
        (
            "gemini",
            {"gemini_api_key": KEY},
            "/v1beta/models/m:generateContent?key=of-the-caller&alt=sse&access_token=of-the-caller",
            f"{GEMINI}/models/m:generateContent?alt=sse&",
            ("x-goog-api-key", KEY),
        ),
        (
            "azure",
            AZURE,
            "/audio/speech",
            "https://r.example/openai/deployments/m/audio/speech?api-version=1",
            ("api-key", KEY),
        ),
    ],
)
def test_address_and_credentials(name: str, config: dict, path: str, url: str, header: tuple):
    request = provider(name, "m", config).raw("PUT", path, (("accept", "*/*"), header), b"body")
    assert ("PUT", url, b"body") == (request.method, request.url.rstrip("?"), request.body)
    assert [("accept", "*/*"), header] == list(request.headers)


def test_service_signs_the_body():
    """What an AWS client has signed is signed anew, with the body that goes out."""
    pytest.importorskip("botocore", reason="needs tollway-providers[aws]")
    bedrock = provider("bedrock", "m", {"aws_config": AWS})
    given = (("content-type", "application/json"), ("x-amz-date", "of-the-caller"))
    request = bedrock.raw("POST", "/model/m/invoke", given, b"{}")
    headers = dict(request.headers)
    assert bedrock.raw_needs_body
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert "of-the-caller" not in str(headers)


def test_token_that_was_fetched(monkeypatch: pytest.MonkeyPatch):
    config = {"vertex_project": "p", "vertex_location": "global", "vertex_credentials": "{}"}
    monkeypatch.setattr(
        "tollway.providers.vertex_ai.TokenSource", lambda fetch: type("T", (), {"get": lambda s: KEY})()
    )
    vertex = VertexAIProvider(Target("e", Task.CHAT, "gemini-3", config))
    path = vertex.raw_model_path("gemini", "countTokens")
    request = vertex.raw("POST", path, (), b"{}")
    base = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
    assert f"{base}/publishers/google/models/gemini-3:countTokens" == request.url
    assert (("authorization", f"Bearer {KEY}"),) == request.headers


def test_only_geminis_own_services_have_its_methods():
    assert "/models/m:embedContent" == provider("gemini", "m", {"gemini_api_key": KEY}).raw_model_path(
        "gemini", "embedContent"
    )
    assert provider("openai", "m", {"openai_api_key": KEY}).raw_model_path("gemini", "embedContent") is None
