"""A browser's requests through the whole gateway, with and without `server.cors`."""

from __future__ import annotations

import pytest

CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
PATH = "/v1/chat/completions"
PAGE = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
CORS = {"cors": {"origins": ["https://app.example"]}}
PREFLIGHT = PAGE | {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
}
ALLOW = "access-control-allow-origin"


@pytest.fixture
def for_pages(model):
    return model(lambda payload: "ho", server=CORS)


def test_answer_to_a_page(for_pages):
    answer = for_pages.client.post(PATH, json=CHAT, headers=PAGE)
    assert (200, "https://app.example") == (answer.status_code, answer.headers[ALLOW])


def test_stream_to_a_page(for_pages):
    answer = for_pages.client.post(PATH, json=CHAT | {"stream": True}, headers=PAGE)
    assert "https://app.example" == answer.headers[ALLOW]
    assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("change", [{"model": "nope"}, {"messages": []}])
def test_errors_can_be_read_by_the_page(for_pages, change: dict):
    """Without these headers a browser shows its script a network error, whatever the answer says."""
    answer = for_pages.client.post(PATH, json=CHAT | change, headers=PAGE)
    assert 400 <= answer.status_code < 500
    assert "https://app.example" == answer.headers[ALLOW]


def test_preflight(for_pages):
    """Nobody's key is asked for: a browser sends none with it."""
    answer = for_pages.client.request("OPTIONS", PATH, headers=PREFLIGHT)
    assert (204, b"") == (answer.status_code, answer.content)
    assert "authorization" == answer.headers["access-control-allow-headers"]


def test_other_pages(for_pages):
    other = PAGE | {"origin": "https://evil.example"}
    answer = for_pages.client.post(PATH, json=CHAT, headers=other)
    assert (403, False) == (answer.status_code, ALLOW in answer.headers)


def test_nobody_is_allowed_by_default(model):
    gateway = model(lambda payload: "ho")
    assert 403 == gateway.client.request("OPTIONS", PATH, headers=PREFLIGHT).status_code
    assert 403 == gateway.client.post(PATH, json=CHAT, headers=PAGE).status_code
