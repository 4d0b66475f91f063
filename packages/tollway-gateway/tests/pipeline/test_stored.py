"""Responses that are kept here, asked for by their ids."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tollway.provider import BaseProvider, Target, Task

KEYS = {"anna": "tw-key-of-anna", "otto": "tw-key-of-otto"}


@pytest.fixture
def running(gateway):
    own = type("Own", (BaseProvider,), {"predict": lambda self, payload: "ho"})
    endpoint = {"name": "own", "endpoint_type": "llm/v1/chat", "model": {"provider": "own", "name": "m"}}
    keys = [{"name": name, "digest": sha256(key.encode()).hexdigest()} for name, key in KEYS.items()]
    config = {"endpoints": [endpoint], "auth": {"keys": keys}}
    return gateway(config, providers={"own": own(Target("own", Task.CHAT, "m"))})


def asked(running, method: str, path: str, who: str = "anna", **more):
    return running.client.request(method, path, headers={"authorization": f"Bearer {KEYS[who]}"}, **more)


def made(running, **more) -> dict:
    payload = {"model": "own", "input": "hi", **more}
    return asked(running, "POST", "/v1/responses", json=payload).json()


@pytest.mark.parametrize("stream", [False, True])
def test_response_is_got_by_its_id(running, stream: bool):
    if stream:
        payload = {"model": "own", "input": "hi", "stream": True}
        text = asked(running, "POST", "/v1/responses", json=payload).text
        name = "resp_" + text.split("resp_")[1].split('"')[0]
    else:
        name = made(running)["id"]
    response = asked(running, "GET", f"/v1/responses/{name}").json()
    assert (name, "completed", "ho") == (
        response["id"],
        response["status"],
        response["output"][0]["content"][0]["text"],
    )


def test_whole_response_is_as_it_was(running):
    response = made(running)
    assert response == asked(running, "GET", f"/v1/responses/{response['id']}/").json()


def test_deleted_response_is_gone(running):
    path = f"/v1/responses/{made(running)['id']}"
    assert asked(running, "DELETE", path).json()["deleted"] is True
    for method in ("GET", "DELETE"):
        answer = asked(running, method, path)
        assert (404, "response_not_found") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("DELETE", ""), ("GET", "/input_items")])
def test_another_key_gets_404(running, method: str, end: str):
    name = made(running)["id"]
    assert 404 == asked(running, method, f"/v1/responses/{name}{end}", "otto").status_code
    assert 200 == asked(running, "GET", f"/v1/responses/{name}").status_code
    payload = {"model": "own", "input": "and?", "previous_response_id": name}
    answer = asked(running, "POST", "/v1/responses", "otto", json=payload)
    assert (400, "previous_response_not_found") == (answer.status_code, answer.json()["error"]["code"])


def test_input_items_come_in_pages(running):
    first = made(running, input=[{"role": "user", "content": "one"}])
    second = made(running, input="two", previous_response_id=first["id"])
    path = f"/v1/responses/{second['id']}/input_items"

    def texts(**query) -> list[str]:
        return [
            item["content"][0]["text"] for item in asked(running, "GET", path, params=query).json()["data"]
        ]

    assert ["two", "ho", "one"] == texts()
    assert ["one", "ho", "two"] == texts(order="asc")
    page = asked(running, "GET", path, params={"limit": 1}).json()
    assert (1, True, page["first_id"]) == (len(page["data"]), page["has_more"], page["last_id"])
    assert ["ho", "one"] == texts(after=page["last_id"])


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"limit": "101"}, {"after": "x"}])
def test_page_that_cannot_be_is_400(running, query: dict):
    answer = asked(running, "GET", f"/v1/responses/{made(running)['id']}/input_items", params=query)
    assert (400, "invalid_value") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(("method", "end"), [("POST", ""), ("DELETE", "/input_items"), ("PUT", "")])
def test_other_methods_are_405(running, method: str, end: str):
    assert 405 == asked(running, method, f"/v1/responses/resp_1{end}").status_code


def test_unstored_response_is_404(running):
    assert 404 == asked(running, "GET", f"/v1/responses/{made(running, store=False)['id']}").status_code
