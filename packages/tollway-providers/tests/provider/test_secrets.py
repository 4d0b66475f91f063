import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Setting
from tollway.provider._secrets import Redactor, redactor_of

KEY = "sk-a-long-and-secret-key"
SETTINGS = (
    Setting("api_key", "a key", secret=True),
    Setting("base", "a URL"),
    Setting("aws", "", dict, secret=True),
)


def test_what_is_declared_secret_is_hidden_and_the_rest_is_not() -> None:
    redact = redactor_of(SETTINGS, {"api_key": KEY, "base": "https://acme.test"})

    assert "[redacted] at https://acme.test" == redact(f"{KEY} at https://acme.test")


def test_a_secret_mapping_is_secret_to_its_leaves() -> None:
    redact = redactor_of(SETTINGS, {"aws": {"role": {"session": KEY}}})

    assert "<[redacted]>" == redact(f"<{KEY}>")


@pytest.mark.parametrize("name", ["api_key", "AUTH_TOKEN", "db_password", "client_secret"])
def test_without_declared_settings_the_name_tells(name: str) -> None:
    assert "[redacted]" == redactor_of(None, {name: KEY, "other": "plain"})(KEY)


def test_a_short_secret_is_hidden_only_where_it_stands_alone() -> None:
    """A local server's key is often just `x`: that must not eat the letter out of every message."""
    assert "maximum of [redacted] exceeded" == Redactor(["x"])("maximum of x exceeded")


def test_a_secret_inside_another_is_hidden_with_it() -> None:
    assert "[redacted]" == Redactor([KEY, KEY + "-and-more"])(KEY + "-and-more")


def test_the_ends_of_a_starred_key_are_hidden_too() -> None:
    assert "Incorrect API key: [redacted]." == Redactor([])("Incorrect API key: sk-ab*****xyz.")


@given(st.text(), st.text(min_size=8), st.text())
def test_no_long_secret_survives_anywhere(before: str, secret: str, after: str) -> None:
    assert secret not in Redactor([secret])(before + secret + after)
