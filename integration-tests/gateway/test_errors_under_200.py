"""Upstreams that tell an error as if it were an answer: the caller gets it with the status that it says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from support.dialects import TEXT
from support.fault_forms import CODES, FORMS, WORDS
from support.fault_upstream import FaultUpstream
from support.serving import Gateway, endpoint

FINAL = (400, 401, 402, 403, 404, 405, 410, 413, 415, 422, 424, 451)
"""Statuses after which no client should ask again."""

LINES = [form for form in FORMS if FORMS[form].content_type != "text/plain"]
"""Forms that are known for an error without an event around them; other text is none by itself."""

NAMES = [
    *(f"error-200-{form}" for form in FORMS),
    *(f"error-body-{form}" for form in FORMS),
    *(f"error-later-{form}" for form in FORMS),
    *(f"error-bare-{form}" for form in LINES),
    *(f"status-{status}" for status in {*FINAL, *CODES}),
    *("done-only", "json-for-stream", "stream-for-json", "context-length", "content-filter"),
]


@pytest.fixture(scope="module")
def service():
    started = FaultUpstream()
    yield started
    started.close()


@pytest.fixture(scope="module")
def gateway(start_gateway, service: FaultUpstream):
    return start_gateway(
        {
            "endpoints": [
                endpoint(name, "openai", name, openai_api_key="k", openai_api_base=f"{service.url}/v1")
                for name in NAMES
            ],
            "tracing": {"store": None},
        }
    )


def errors_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the errors in a stream that began."""
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    return [said["error"] for said in map(json.loads, data) if "error" in said]


@pytest.mark.parametrize("form", FORMS)
def test_whole_and_streamed_answers_have_the_status_that_the_error_says(gateway: Gateway, form: str) -> None:
    """Whole, as the first event of a stream, and as a body in the stream's place."""
    answers = [
        gateway.chat(f"error-200-{form}"),
        gateway.chat(f"error-200-{form}", stream=True),
        gateway.chat(f"error-body-{form}", stream=True),
    ]

    assert [FORMS[form].status] * 3 == [answer.status_code for answer in answers]
    assert all(WORDS in answer.json()["error"]["message"] for answer in answers)


@pytest.mark.parametrize("code", CODES)
def test_an_error_under_200_has_the_status_of_the_same_error_without_it(gateway: Gateway, code: int) -> None:
    under_200 = gateway.chat(f"error-200-number-{code}")
    plain = gateway.chat(f"status-{code}")

    assert {code} == {under_200.status_code, plain.status_code}
    retried = [answer.headers.get("x-should-retry") for answer in (under_200, plain)]
    assert [None if code in (429, 503) else "false"] * 2 == retried


@pytest.mark.parametrize(
    "model", [*(f"error-later-{form}" for form in FORMS), *(f"error-bare-{form}" for form in LINES)]
)
def test_an_error_in_mid_stream_is_told_in_its_words(gateway: Gateway, model: str) -> None:
    """As an event, and as a line that is none."""
    answer = gateway.chat(model, stream=True)

    (error,) = errors_of(answer)
    assert WORDS in error["message"]
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_terminator_alone_is_no_answer(gateway: Gateway, stream: bool) -> None:
    assert 502 == gateway.chat("done-only", stream=stream).status_code


@pytest.mark.parametrize(
    "model", [*(f"status-{status}" for status in FINAL), "context-length", "content-filter"]
)
def test_a_client_does_not_repeat_what_no_retry_helps(
    gateway: Gateway, service: FaultUpstream, model: str
) -> None:
    """OpenAI's client asks three times by default when it gets a 5xx."""
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="k", http_client=gateway.client)
    service.forget()
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hi"}])

    assert 1 == len(service.of(model))
    assert "false" == refused.value.response.headers["x-should-retry"]


def test_an_answer_of_the_other_shape_is_read(gateway: Gateway) -> None:
    """A whole answer in a stream's place is streamed, a stream in a whole answer's place is joined."""
    streamed = gateway.chat("json-for-stream", stream=True)
    whole = gateway.chat("stream-for-json")

    assert TEXT == whole.json()["choices"][0]["message"]["content"]
    assert "text/event-stream; charset=utf-8" == streamed.headers["content-type"]
    assert TEXT in streamed.text
    assert streamed.text.rstrip().endswith("data: [DONE]")
