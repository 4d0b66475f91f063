"""Text of others that is printed: what could steer a terminal is an escape, and URLs have no passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.printable import printable, without_passwords


@given(st.text())
def test_whatever_is_printed_is_printable(text: str):
    assert printable(text).isprintable()
    assert not text.isprintable() or text == printable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [red]{x}", "plain [red]{x}"),
        ("Grüße, 你好, 😀", "Grüße, 你好, 😀"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),  # CSI as one character of Latin-1
        ("a\nb\rc\td\0", r"a\nb\rc\td\x00"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # what follows is read from right to left
        ("\u2066\u200b\ufeff", r"\u2066\u200b\ufeff"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_escapes_say_what_was_there(text: str, shown: str):
    assert shown == printable(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://c:4318", "http://c:4318"),
        ("http://user:hush@c:4318/v1", "http://REDACTED:REDACTED@c:4318/v1"),
        ("http://hush@c", "http://REDACTED:REDACTED@c"),
        ("redis://:hush@c", "redis://REDACTED:REDACTED@c"),
        ("http://u:hu/sh@c", "http://REDACTED:REDACTED@c"),
        ("http://u:hush@more@c", "http://REDACTED:REDACTED@c"),
        ("https://c/v1/@me", "https://c/v1/@me"),
        (
            "two: http://a:hush@b and ftp://c:hush@d",
            "two: http://REDACTED:REDACTED@b and ftp://REDACTED:REDACTED@d",
        ),
        ("me@example.com", "me@example.com"),
        ("://", "://"),
    ],
)
def test_urls_lose_user_and_password(text: str, shown: str):
    """https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/#url-full has the words."""
    assert shown == without_passwords(text)
