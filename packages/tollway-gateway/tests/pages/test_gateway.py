"""The pages of a gateway that serves: live, with what it did, and gone when it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import Written

MODEL = {"provider": "openai", "name": "m", "config": {"openai_api_key": "sk-not-to-be-seen"}}


@pytest.fixture
def running(gateway: Callable[..., Any], written: Written) -> Any:
    """A gateway that reads the store that the test writes."""
    endpoints = [{"name": "chat", "endpoint_type": "llm/v1/chat", "model": MODEL}]
    tracing = {"store": {"path": str(written.store.layout.root)}}
    return gateway({"endpoints": endpoints, "tracing": tracing}, control=None)


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any], str | None]]:
    """Yield name, data and id of each event; comments as `:`."""
    name, identity = "", None
    for line in lines:
        field, _, value = line.partition(": ")
        if line.startswith(":"):
            yield ":", {}, None
        elif field == "id":
            identity = value
        elif field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value), identity


def test_traces_come_as_they_are_stored(running: Any, written: Written):
    """Whoever stores them; a page that was away gets what it missed; a gateway that ends lets go."""
    with running.client.stream("GET", "/ui/api/live?overview=1&q=status:error") as answer:
        assert "text/event-stream" in answer.headers["content-type"]
        found = events(answer.iter_lines())
        assert {"overview", ":"} == {next(found)[0], next(found)[0]}
        written.request("GET /a", 0, 5)
        failed = written.request("GET /b", 0, 5, error="x")
        name, row, number = next(one for one in found if one[0] == "trace")
        assert ("trace", failed) == (name, row["trace_id"])
    missed = written.request("GET /c", 0, 5, error="x")
    headers = {"last-event-id": str(number)}
    with running.client.stream("GET", "/ui/api/live", headers=headers) as answer:
        found = events(answer.iter_lines())
        assert missed == next(one for one in found if one[0] == "trace")[1]["trace_id"]
        running.app.lifetime.drain()
        assert all(name == ":" for name, _, _ in found)


def test_a_query_that_cannot_be_read_is_no_stream(running: Any):
    answer = running.client.get("/ui/api/live?q=stauts:error")
    assert (400, 0) == (answer.status_code, answer.json()["error"]["position"])


def test_what_a_gateway_shows_of_itself_has_no_secrets(running: Any):
    info = running.client.get("/ui/api/info").json()
    assert ("gateway", ["chat"]) == (info["mode"], [one["name"] for one in info["endpoints"]])
    for path in ("/ui/api/info", "/ui/api/overview", "/ui/api/traces", "/openapi.json"):
        answer = running.client.get(path)
        assert 200 == answer.status_code
        assert "sk-not-to-be-seen" not in answer.text


def test_the_api_is_documented(running: Any):
    """With all that a client has to know to ask."""
    paths = running.client.get("/openapi.json").json()["paths"]
    asked = {path.removeprefix("/ui/api/") for path in paths if path.startswith("/ui/api/")}
    assert {"info", "traces", "traces/{trace_id}", "points", "compare", "flame", "live", "overview"} <= asked


def test_without_a_store_the_pages_say_so(gateway: Callable[..., Any]):
    endpoints = [{"name": "chat", "endpoint_type": "llm/v1/chat", "model": MODEL}]
    client = gateway({"endpoints": endpoints, "tracing": {"store": None}}, control=None).client
    answer = client.get("/ui/api/traces")
    assert (404, "tracing.store" in answer.json()["error"]["hint"]) == (answer.status_code, True)
    assert 200 == client.get("/ui/api/overview").status_code
