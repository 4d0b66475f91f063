"""The section `auth`."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

GOOD = """\
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: sk-x}}
"""
KEY = "tk-0123456789abcdef"
DIGEST = sha256(KEY.encode()).hexdigest()


def keys(*entries: str) -> str:
    return f"{GOOD}auth:\n  keys:\n" + "".join(f"    - {{{entry}}}\n" for entry in entries)


@pytest.mark.parametrize("written", ["$SHOP_KEY", KEY, f"'sha256:{DIGEST}'", f"'sha256:{DIGEST.upper()}'"])
def test_a_key_is_kept_as_its_digest(loaded, written: str):
    """Whether the file has the key, its digest, or the environment."""
    config = loaded(keys(f"name: shop, key: {written}"), {"SHOP_KEY": KEY})
    assert [DIGEST] == [key.digest for key in config.auth.keys]
    assert KEY not in repr(config)


@pytest.mark.parametrize("holds", [f"{KEY}\n", f"sha256:{DIGEST}\n"])
def test_a_key_may_be_in_a_file(loaded, tmp_path: Path, holds: str):
    (tmp_path / "key").write_text(holds)
    config = loaded(keys(f"name: shop, key: {tmp_path / 'key'}"))
    assert DIGEST == config.auth.keys[0].digest


def test_all_that_a_key_has(loaded):
    """A date is its first moment in UTC."""
    config = loaded(
        keys(
            f"name: shop, key: {KEY}, endpoints: [chat], limit: {{calls: 5, renewal_period: hour}}, "
            "expires: 1970-01-02, tags: {team: web}"
        )
    )
    (key,) = config.auth.keys
    assert ("shop", ("chat",), 86400.0, {"team": "web"}) == (key.name, key.endpoints, key.expires_s, key.tags)
    assert [5] == [limit.calls for limit in key.limits]


@pytest.mark.parametrize(
    ("text", "line", "key", "message", "hint"),
    [
        (f"{GOOD}auth: {{}}\n", 5, "auth", "neither keys nor an admin_key", "add"),
        (f"{GOOD}auth: {{keys: []}}\n", 5, "auth.keys", "there are no keys", "tollway keys new"),
        (keys("name: a, key: short"), 7, "auth.keys[0].key", "at least 16 characters", "tollway keys new"),
        (keys("name: a, key: 'sha256:123'"), 7, "auth.keys[0].key", "64 hexadecimal digits", "new"),
        (keys("name: a, key: $NONE"), 7, "auth.keys[0].key", "NONE is not set", "export NONE"),
        (keys("name: a, key: 'two words of a key'"), 7, "auth.keys[0].key", "no spaces", "new"),
        (
            keys(f"name: a, key: {KEY}", f"name: b, key: {KEY}"),
            8,
            "auth.keys[1].key",
            "same as the key 'a'",
            "",
        ),
        (
            keys(f"name: a, key: {KEY}", f"name: a, key: {KEY}x"),
            8,
            "auth.keys[1].name",
            "'a' is the name of another key",
            "rename",
        ),
        (
            keys(f"name: a, key: {KEY}, endpoints: [chta]"),
            7,
            "auth.keys[0].endpoints[0]",
            "no endpoint or route 'chta'",
            "did you mean 'chat'",
        ),
        (
            keys(f"name: a, key: {KEY}, expires: soon"),
            7,
            "auth.keys[0].expires",
            "'soon' is not a date",
            "write",
        ),
        (keys(f"name: {'a' * 65}, key: {KEY}"), 7, "auth.keys[0].name", "more than 64", "shorter"),
        (keys("name: a"), 7, "auth.keys[0]", "'key' is missing", "add key"),
    ],
)
def test_what_is_wrong_is_told(problem, text: str, line: int, key: str, message: str, hint: str):
    """With its line, its key and how to fix it."""
    found = problem(text)
    assert (line, key) == (found.line, found.key)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("written", ["sk-hush!", "[sk-hush]", "'sha256:sk-hush'", "'sk hush sk hush sk'"])
def test_a_key_is_in_no_message(problem, written: str):
    assert "hush" not in problem(keys(f"name: a, key: {written}")).told("file")
