"""Gemini, Bedrock and Cohere through the gateway, called by the `openai` SDK; upstream is a stub of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from support.serving import Gateway, endpoint
from support.vendor_stub import KEY, TEXT, VendorStub

MESSAGES: list[Any] = [{"role": "user", "content": "What is a toll road?"}]
VENDORS = ("gemini", "bedrock", "cohere")


@pytest.fixture(scope="module")
def served() -> Iterator[VendorStub]:
    stub = VendorStub()
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def gateway(start_gateway: Any, served: VendorStub) -> Gateway:
    def endpoints(key: str, prefix: str) -> list[dict[str, Any]]:
        aws = {"aws_region": "eu-west-1", "aws_access_key_id": key, "aws_secret_access_key": "a-secret"}
        return [
            endpoint(f"{prefix}gemini", "gemini", "gemini-3", gemini_api_key=key, gemini_api_base=served.url),
            endpoint(f"{prefix}bedrock", "bedrock", "nova:0", aws_config=aws, bedrock_api_base=served.url),
            endpoint(
                f"{prefix}cohere", "cohere", "command-a", cohere_api_key=key, cohere_api_base=served.url
            ),
        ]

    return start_gateway({"endpoints": [*endpoints(KEY, ""), *endpoints("a-wrong-key", "wrong-")]})


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_answer_whole_and_streamed(gateway: Gateway, vendor: str):
    """Both are the same text, with its finish and its usage."""
    client = gateway.openai()
    whole = client.chat.completions.create(model=vendor, messages=MESSAGES)
    options: Any = {"include_usage": True}
    stream = client.chat.completions.create(
        model=vendor, messages=MESSAGES, stream=True, stream_options=options
    )
    chunks = list(stream)

    assert (TEXT, "stop") == (whole.choices[0].message.content, whole.choices[0].finish_reason)
    assert TEXT == "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [7, 7] == [answer.usage.total_tokens for answer in (whole, chunks[-1]) if answer.usage]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_stream_that_was_cut_is_an_error(gateway: Gateway, served: VendorStub, vendor: str):
    served.cut = 240
    try:
        with pytest.raises(openai.APIError):
            list(gateway.openai().chat.completions.create(model=vendor, messages=MESSAGES, stream=True))
    finally:
        served.cut = 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_wrong_key_is_the_gateways_own_fault(gateway: Gateway, vendor: str):
    with pytest.raises(openai.APIStatusError) as caught:
        gateway.openai().chat.completions.create(model=f"wrong-{vendor}", messages=MESSAGES)

    assert 502 == caught.value.status_code
    assert "a-wrong-key" not in str(caught.value)


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_a_vendor_cannot_say_is_a_400_that_names_the_field(gateway: Gateway, vendor: str):
    with pytest.raises(openai.BadRequestError) as caught:
        gateway.openai().chat.completions.create(
            model=vendor,
            messages=MESSAGES,
            modalities=["text", "audio"],
            audio={"voice": "ash", "format": "wav"},
        )

    assert caught.value.param in ("audio", "modalities")
