"""What is in a trace is text, whatever it looks like; and everyone can read it."""

import json

import pytest
from playwright.sync_api import expect

from support.browser import node_modules
from support.shop_traces import Made, message, model_call

HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>\n\n"
    "[a link](javascript:document.title='pwned') ![a picture](http://else.example/x.png) `</code><b>`\n\n"
    '<style>body{display:none}</style> "><svg onload=alert(1)>'
)
PAGES = (
    "#/traces",
    "#/trace/{id}",
    "#/compare/{id}/{id}",
    "#/session",
    "#/session/{session}",
    "#/services",
    "#/flame",
)


def hostile_trace(traces):
    root = Made(
        HOSTILE[:60],
        HOSTILE[:30],
        0,
        50,
        attributes={HOSTILE[:40]: HOSTILE, "session.id": "evil"},
        error=HOSTILE,
    )
    said = [{"type": "text", "content": HOSTILE}, {"type": "reasoning", "content": HOSTILE}]
    root.children.append(
        model_call(
            traces.random, 1, 40, HOSTILE[:20], [message("user", HOSTILE), message("<b>", HOSTILE)], said
        )
    )
    root.events.append(
        (
            "exception",
            9,
            {"exception.type": HOSTILE, "exception.message": HOSTILE, "exception.stacktrace": HOSTILE},
        )
    )
    return root


@pytest.fixture(scope="module")
def hostile(shop):
    """The id of a trace that is hostile in each of its parts."""
    [trace_id] = shop.send(hostile_trace(shop.traces))
    return trace_id


@pytest.mark.parametrize("address", PAGES)
def test_hostile_content_is_text_on_every_page(visit, hostile, address):
    page = visit().open(address.format(id=hostile, session="evil"), "main")
    page.wait_for_load_state("networkidle") if address != "#/traces" else page.wait_for_selector(".row-link")
    assert (
        0
        == page.locator(
            "main :is(script, style, iframe, img:not(.message-image), [onerror], [onload])"
        ).count()
    )
    assert "pwned" not in page.title()


def test_hostile_content_is_text_in_every_tab_of_the_details(visit, hostile):
    page = visit().open(f"#/trace/{hostile}", ".span-row >> nth=1")
    page.click(".span-row >> nth=1")
    for tab in ("Conversation", "Attributes", "Events", "Resource", "Raw"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(f".panel [role=tab][aria-selected=true]:has-text('{tab}')")
        assert "onerror=" in page.inner_text(".panel") or tab in ("Events", "Resource")
        assert 0 == page.locator(".panel :is(script, style, img, [onerror], a[href^='javascript'])").count()
    assert "pwned" not in page.title()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(visit, shop, theme):
    [trace_id] = shop.send(shop.traces.agent("Is there a tent?", "Yes.", "chat-axe"))
    axe = (node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    one = visit(theme=theme)
    page = one.page
    found = []
    for address in PAGES if theme == "light" else PAGES[:3]:
        one.open(address.format(id=trace_id, session="chat-axe"), "main")
        expect(page.locator(".skeleton")).to_have_count(0)
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            (address, one["id"], [node["html"][:120] for node in one["nodes"][:3]])
            for one in result["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert [] == found, json.dumps(found, indent=1)
