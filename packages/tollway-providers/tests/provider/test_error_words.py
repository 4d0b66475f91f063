import json

import pytest

from tollway.provider import _error_words
from tollway.provider._error_words import MAX_MESSAGE_CHARS, text_of, words_of


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": json.dumps({"error": {"message": "why", "code": "c"}})}},
        json.dumps({"detail": "why"}),
        {"error": json.dumps([{"message": "why"}])},
        {"fault": {"faultstring": "why"}},
        {"base_resp": {"status_code": 1002, "status_msg": "why"}},
        {"error": {"error": {"message": "why"}}},
    ],
)
def test_the_words_are_found_inside_json_in_text_and_other_wrappings(body: object) -> None:
    assert "why" == words_of(body)


def test_what_the_provider_behind_a_router_said_follows_its_own_message() -> None:
    error = {
        "message": "Provider returned error",
        "metadata": {"raw": '{"error": {"message": "model is busy"}}'},
    }

    assert "Provider returned error: model is busy" == words_of({"error": error})


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<HTML><TITLE lang=en>Sign in</TITLE><body>x", "Sign in"),
        ("<header>Down</header> for <b>repair</b>", "Down for repair"),
        ("<script>var a = 1 < 2;</script>Down<style>b {}</style>", "Down"),
        ("Down<script>never closed", "Down"),
        ("Down<p", "Down"),
        ("1 &lt; 2 <br>", "1 < 2"),
        ("<title>never closed", "never closed"),
        ("İ <title>İstanbul</title>", "İstanbul"),
    ],
)
def test_a_page_says_its_title_or_its_text(page: str, said: str) -> None:
    assert said == text_of(page.encode())


def test_a_message_is_one_line_of_bounded_length() -> None:
    said = words_of({"error": "a\n b" + "c" * 5000})

    assert said.startswith("a bccc")
    assert MAX_MESSAGE_CHARS == len(said)


@pytest.mark.parametrize("opening", ["<script>", "<title>", "<style", "<", "</", "<head>"])
def test_a_page_of_openings_that_never_close_is_read_once(opening: str) -> None:
    """A search that fails ends the page: 64 KiB of openings are one search, not thousands over the rest."""
    searches = 0

    class Counting(str):
        __slots__ = ()

        def find(self, *args: object) -> int:  # type: ignore[override]  # counts its calls
            nonlocal searches
            searches += 1
            return str.find(self, *args)  # type: ignore[arg-type]  # passed on as they came

        def lower(self) -> "Counting":
            return Counting(str.lower(self))

    page = Counting(opening * (65536 // len(opening)))
    _error_words._without_tags(page)
    _error_words._title(page)
    closes = ">" in opening and "script" not in opening and "style" not in opening and "head" not in opening
    assert searches <= (3 * len(page) // len(opening) + 8 if closes else 16)
