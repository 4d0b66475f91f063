"""The pages as browsers ask for them, of a store without a gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tollway.gateway.guard.origin_check import OriginCheck
from tollway.gateway.pages.app import pages_app
from tollway.gateway.pages.sources import StoreSource

from .conftest import START_NS, Written


class Browser:
    """Asks the pages of a store."""

    def __init__(self, written: Written) -> None:
        source = StoreSource(written.store, "traces")
        self._app = pages_app(source, None, OriginCheck(is_local=True))

    def get(self, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)  # type: ignore[arg-type]  # httpx spells scopes otherwise
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(path, **more)

        return asyncio.run(send())


@pytest.fixture
def browser(written: Written) -> Browser:
    return Browser(written)


@pytest.mark.parametrize("path", ["/ui/", "/ui/app.js", "/ui/app.css", "/ui/api/info", "/ui/api/traces"])
def test_nothing_from_elsewhere_and_nothing_inline(browser: Browser, path: str):
    """Every answer forbids other hosts, inline scripts and styles, frames, and guessing of types."""
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == headers["x-content-type-options"]


def test_files_are_sent_once(browser: Browser):
    """A browser that has a file already is told so, without the file."""
    first = browser.get("/ui/")
    again = browser.get("/ui/", headers={"if-none-match": first.headers["etag"]})
    assert (304, b"") == (again.status_code, again.content)


def test_relative_links_lead_to_the_pages(browser: Browser):
    """The folder without its slash leads to the one with it: the page's links are relative."""
    answer = browser.get("/ui", follow_redirects=False)
    assert (307, "ui/") == (answer.status_code, answer.headers["location"])


def test_there_are_no_other_files(browser: Browser):
    for path in ("/ui/nothing.js", "/ui/..%2froutes.py", "/ui/%2e%2e"):
        assert 404 == browser.get(path).status_code


def test_pages_of_other_sites_may_not_ask(browser: Browser):
    assert 403 == browser.get("/ui/api/traces", headers={"sec-fetch-site": "cross-site"}).status_code
    assert 403 == browser.get("/ui/api/traces", headers={"host": "evil.example"}).status_code


def test_the_newest_traces_are_listed(browser: Browser, written: Written):
    older = written.request("GET /a", 0, 5)
    newer = written.request("GET /b", 10, 30, attributes={"tollway.endpoint": "chat"})
    rows = browser.get("/ui/api/traces").json()["traces"]
    assert [newer, older] == [row["trace_id"] for row in rows]
    assert ("GET /b", "shop", 20.0, "OK", 1, "ratio", "chat") == tuple(
        rows[0][key]
        for key in ("root", "service", "duration_ms", "status", "spans", "kept_because", "endpoint")
    )
    assert (START_NS + 10_000_000) / 1e6 == rows[0]["start_ms"]


def test_a_trace_is_drawn_from_the_top(browser: Browser, written: Written):
    """Spans come depth first, each with its parent's index, its own time, and the path that bounded all."""
    root = written.span("root", 0, 100)
    written.span("second", 60, 90, root, service="db")
    first = written.span("first", 10, 50, root)
    written.span("inner", 20, 30, first)
    trace = browser.get(f"/ui/api/traces/{written.keep()}").json()
    spans = trace["spans"]
    assert ["root", "first", "inner", "second"] == [span["name"] for span in spans]
    assert [-1, 0, 1, 0] == [span["parent"] for span in spans]
    assert [0, 1, 2, 1] == [span["depth"] for span in spans]
    assert [30.0, 30.0, 10.0, 30.0] == [span["self_ms"] for span in spans]
    assert "db" == trace["resources"][spans[3]["resource"]]["service.name"]
    assert [0, 1, 2, 1, 0, 3, 0] == [piece["span"] for piece in trace["critical_path"]]


def test_a_trace_that_is_not_there_is_said_to_be_so(browser: Browser):
    answer = browser.get("/ui/api/traces/" + "ab" * 16)
    assert 404 == answer.status_code
    assert "ab" * 16 in answer.json()["error"]["message"]


def test_dots_come_as_columns(browser: Browser, written: Written):
    written.request("GET /a", 0, 5)
    late = written.request("GET /b", 10, 30, error="broken", attributes={"tollway.kept_because": "error"})
    dots = browser.get("/ui/api/points").json()
    assert late == dots["trace_id"][0]
    assert ([20.0, 5.0], [1, 0]) == (dots["duration_ms"], dots["status"])
    assert ["error", "ratio"] == [dots["kept_names"][at] for at in dots["kept"]]
