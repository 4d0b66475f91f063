"""One trace, and two beside each other, in a real Chromium on a real store."""

from playwright.sync_api import expect

from support.shop_traces import TALKS

SPANS = 30_000

SCROLL = """() => new Promise((resolve) => {
  const box = document.querySelector('.waterfall .scroller');
  let blank = 0, step = 0;
  const check = () => {
    const frame = box.getBoundingClientRect();
    for (let y = 4; y < frame.height; y += 28)
      if (!document.elementFromPoint(frame.left + 20, frame.top + y)?.closest('.span-row')) blank += 1;
    step += 1;
    if (step > 40) return resolve({blank, top: box.scrollTop});
    box.scrollTop += step < 20 ? 300 : 20000;
    requestAnimationFrame(() => requestAnimationFrame(check));
  };
  check();
})"""


def test_a_trace_says_first_why_it_was_kept(visit, shop):
    [trace_id] = shop.send(shop.traces.checkout())
    page = visit().open(f"#/trace/{trace_id}", ".span-row")
    assert page.inner_text("h1").startswith("POST /checkout took ")
    assert "Kept because" in page.inner_text("h1")


def test_a_large_trace_scrolls_without_blank_rows_and_e_finds_its_errors(visit, shop):
    [trace_id] = shop.send(shop.traces.large(SPANS))
    page = visit().open(f"#/trace/{trace_id}", ".span-row")
    assert str(SPANS) == page.get_attribute(".waterfall .scroller", "aria-rowcount")
    assert 300 > page.locator(".span-row").count()
    scrolled = page.evaluate(SCROLL)
    assert 0 == scrolled["blank"]
    assert 100_000 < scrolled["top"]
    page.keyboard.press("e")
    expect(page.locator(".span-row.current.failed")).to_be_in_viewport()
    expect(page.locator(".panel .failure")).to_contain_text("row rejected: the price is negative")


def test_a_subtree_folds_into_its_row_and_the_address_keeps_it(visit, shop):
    [trace_id] = shop.send(shop.traces.checkout())
    page = visit().open(f"#/trace/{trace_id}", ".span-row")
    all_rows = page.locator(".span-row").count()
    page.keyboard.press("[")
    expect(page.locator(".span-row")).to_have_count(1)
    page.reload()
    page.wait_for_selector(".span-row")
    expect(page.locator(".span-row")).to_have_count(1)
    page.keyboard.press("]")
    expect(page.locator(".span-row")).to_have_count(all_rows)


def test_attempts_carry_their_role(visit, shop):
    [trace_id] = shop.send(shop.traces.chat(*TALKS[0], "chat-roles", "fallback"))
    page = visit().open(f"#/trace/{trace_id}", ".span-row")
    roles = [text.partition(":")[0] for text in page.locator(".span-row .badge").all_inner_texts()]
    assert ["retry", "fallback"] == [role for role in roles if role != "attempt"]


def test_a_conversation_is_read_as_one_and_a_stack_trace_as_lines(visit, shop):
    [chat, failed] = shop.send(shop.traces.chat(*TALKS[0], "chat-1"), shop.traces.checkout(failing=True))
    one = visit()
    page = one.open(f"#/trace/{chat}", ".span-row")
    page.click(".span-row:has-text('chat gpt')")
    expect(page.locator(".message.role-user")).to_contain_text(TALKS[0][0])
    expect(page.locator(".message.role-assistant strong")).to_have_text("Kestrel 2")
    page = one.open(f"#/trace/{failed}", ".span-row:has-text('POST bank/authorize')")
    page.click(".span-row:has-text('POST bank/authorize')")
    page.click(".failure summary")
    assert 'File "payments/charge.py", line 88, in charge\n' in page.inner_text(".stack")


def test_two_traces_are_compared_by_the_paths_of_their_spans(visit, shop):
    a, b = shop.send(shop.traces.checkout(), shop.traces.checkout(failing=True))
    page = visit().open(f"#/compare/{a}/{b}", ".pair")
    assert "gone" in page.inner_text(".pair:has-text('enqueue mail')")
    assert "fails in B" in page.inner_text(".pair:has-text('bank/authorize')")


def test_a_session_is_one_thread(visit, shop):
    shop.send(*(shop.traces.chat(*talk, "chat-thread") for talk in TALKS[:2]))
    page = visit().open("#/session/chat-thread", ".turn >> nth=1")
    assert [talk[0] for talk in TALKS[:2]] == page.locator(".turn .role-user .markdown").all_inner_texts()
