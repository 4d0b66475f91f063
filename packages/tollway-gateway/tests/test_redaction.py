"""What a configuration holds of secrets is in nothing that others say."""

from __future__ import annotations

import logging
import sys

import pytest

from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.redaction import KNOWN_SECRETS, KnownSecrets, RedactingFormatter

SECRET, HEADER, PASSWORD = "sk-redaction-1f8e", "header-redaction-77", "password-redaction-2"


def configured(secret: str = SECRET) -> GatewayConfig:
    model = {
        "provider": "openai",
        "name": "m",
        "config": {"openai_api_key": secret, "nested": {"token": "x"}},
    }
    return GatewayConfig(
        endpoints=[{"name": "a", "endpoint_type": "llm/v1/chat", "model": model}],
        tracing={"otlp": {"endpoint": f"http://me:{PASSWORD}@c", "headers": {"x": HEADER}}},
    )


@pytest.fixture
def known() -> KnownSecrets:
    known = KnownSecrets()
    known.learn(configured())
    return known


@pytest.mark.parametrize("secret", [SECRET, HEADER, PASSWORD])
def test_secrets_are_hidden(known: KnownSecrets, secret: str):
    """Those of models, of collectors, and passwords within URLs."""
    assert "bad key [redacted]!" == known.hide(f"bad key {secret}!")


def test_a_short_secret_is_one_only_as_a_word(known: KnownSecrets):
    """Else ordinary words would lose their letters."""
    assert "six [redacted] max" == known.hide("six x max")


def test_what_was_a_secret_stays_one(known: KnownSecrets):
    """A reload changes keys while requests with the old one are under way."""
    known.learn(configured("sk-another-9ab3"))
    assert "[redacted] [redacted]" == known.hide(f"{SECRET} sk-another-9ab3")


def test_nothing_known_hides_nothing():
    assert SECRET == KnownSecrets().hide(SECRET)


def test_an_exception_is_recorded_as_it_is_but_for_secrets(known: KnownSecrets):
    """Those within its causes too; one without any keeps its own words."""
    try:
        try:
            raise KeyError(f"key={SECRET}")
        except KeyError as cause:
            raise ValueError("failed") from cause
    except ValueError as error:
        attributes = known.exception_attributes(error)
    assert "failed" == attributes["exception.message"]
    assert "KeyError: 'key=[redacted]'" in attributes["exception.stacktrace"]
    assert {} == known.exception_attributes(ValueError("failed"))


def test_an_exception_that_cannot_be_written_is_left_to_others(known: KnownSecrets):
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert known.exception_attributes(OddError()) is not None


def test_the_log_hides_what_tracebacks_say(monkeypatch: pytest.MonkeyPatch, known: KnownSecrets):
    monkeypatch.setattr(KNOWN_SECRETS, "hide", known.hide)
    try:
        raise ValueError(SECRET)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "with %s", (HEADER,), sys.exc_info())
    line = RedactingFormatter("%(message)s").format(record)
    assert "with [redacted]" in line
    assert "ValueError: [redacted]" in line
