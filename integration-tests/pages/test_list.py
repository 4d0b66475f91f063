"""The list of traces, in a real Chromium on a real store."""

from playwright.sync_api import expect

from support.shop_traces import Made

ROWS = ".rows .scroller .row"


def test_each_kept_trace_is_a_row_and_a_dot(visit):
    page = visit().open("#/traces", ROWS)
    rows = int(page.locator(".rows").get_attribute("aria-rowcount")) - 1
    expect(page.locator(".scatter")).to_have_attribute("data-dots", str(rows))


def test_a_filter_typed_as_text_narrows_the_list_and_is_in_the_address(visit):
    page = visit().open("#/traces", ROWS)
    page.keyboard.press("/")
    page.keyboard.type("service:gateway")
    page.keyboard.press("Enter")
    expect(page.locator(f"{ROWS} .cell-service").filter(has_text="web")).to_have_count(0)
    assert page.url.endswith("#/traces?q=service:gateway")
    page.go_back()
    expect(page.locator(f"{ROWS} .cell-service").filter(has_text="web").first).to_be_visible()


def test_a_filter_that_nobody_knows_is_explained_where_it_is(visit):
    page = visit().open("#/traces?q=service:web%20colour:blue", "#filter-error")
    assert "colour" in page.inner_text("#filter-error")


def test_a_box_on_the_scatter_becomes_words_of_the_filter(visit):
    page = visit().open("#/traces", ROWS)
    page.wait_for_selector(".u-over")
    plot = page.locator(".u-over").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] * 0.2, plot["y"] + plot["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] * 0.8, plot["y"] + plot["height"] * 0.5, steps=4)
    page.mouse.up()
    page.wait_for_url(lambda address: "duration" in address)
    words = page.input_value("input[name=q]").split()
    assert ["since", "until", "duration", "duration"] == [word.partition(":")[0] for word in words]
    expect(page.locator(ROWS).filter(has_text="GET /items/{id}")).to_have_count(0)


def test_a_new_trace_appears_by_itself_and_waits_while_the_pointer_is_on_the_list(visit, shop):
    page = visit().open("#/traces?q=service:newcomer", ".notice")
    [first] = shop.send(Made("tick", "newcomer", 0, 5))
    page.wait_for_selector(f'a[href="#/trace/{first}"]')
    page.hover(ROWS)
    [second] = shop.send(Made("tick", "newcomer", 0, 5))
    page.wait_for_selector(".new-rows")
    assert 0 == page.locator(f'a[href="#/trace/{second}"]').count()
    page.click(".new-rows")
    page.wait_for_selector(f'a[href="#/trace/{second}"]')


def test_the_keyboard_moves_opens_and_helps(visit):
    page = visit().open("#/traces", ROWS)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    target = page.locator(".row.current .row-link").get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_selector(".span-row")
    assert page.url.endswith(target)
    page.keyboard.press("?")
    expect(page.locator("dialog.help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.help")).to_have_count(0)


def test_an_address_of_nothing_says_so(visit):
    page = visit().open("#/trace/00000000000000000000000000000abc", ".notice")
    assert "00000000000000000000000000000abc" in page.inner_text(".notice")


def test_the_switch_changes_the_theme_and_is_remembered(visit):
    one = visit()
    page = one.open("#/traces", ROWS)
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark theme").click()
    page.reload()
    page.wait_for_selector(ROWS)
    assert "dark" == page.evaluate("document.documentElement.dataset.theme")
    assert light != page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(visit):
    page = visit(width=390, height=780).open("#/traces", ROWS)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    page.click(f"{ROWS} >> nth=0")
    page.wait_for_selector(".span-row")
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    expect(page.locator(".panel")).to_have_count(0)
    page.click(".span-row >> nth=0")
    expect(page.locator(".panel")).to_be_visible()
