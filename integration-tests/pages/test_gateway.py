"""The pages of a gateway: what it does now, and a chat with one of its endpoints."""

import os

import pytest
from playwright.sync_api import expect

from support import chat_stub
from support.browser import Visit
from support.serving import Gateway, endpoint
from support.upstream import Upstream


@pytest.fixture
def gateway(tmp_path):
    upstream = Upstream(chat_stub.script)
    model = endpoint("assistant", "openai", "recorded", openai_api_base=upstream.url, openai_api_key="none")
    config = {"endpoints": [model], "tracing": {"sampling_rate": 1.0, "store": "traces"}}
    running = Gateway(config, tmp_path, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
    running.wait_until_ready()
    yield running
    running.close()
    upstream.close()


def test_a_chat_streams_and_its_trace_opens_beside_it(gateway, browser):
    visit = Visit(browser, gateway.url)
    page = visit.open("#/try", ".composer")
    page.fill(".composer textarea", "Hello?")
    page.keyboard.press("Enter")
    expect(page.locator(".turns .markdown")).to_have_text("Hello.")
    expect(page.locator(".pace")).to_contain_text("first token after")
    expect(page.locator(".beside .span-row").filter(has_text="chat recorded")).to_be_visible()
    visit.close()


def test_the_overview_counts_requests_and_opens_the_list(gateway, browser):
    gateway.chat("assistant")
    visit = Visit(browser, gateway.url)
    page = visit.open("#/overview", ".figures")
    requests = page.locator(".figure").filter(has_text="Requests").locator("a")
    expect(requests).to_have_text("1")
    requests.click()
    expect(page.locator(".rows .scroller .row")).to_have_count(1)
    visit.close()
