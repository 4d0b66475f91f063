"""Keeping a configuration's secrets out of what others say: of plugins' errors, in the first place."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tollway.gateway.config.secrets import secrets_in
from tollway.gateway.config.values import GatewayConfig
from tollway.provider import PluginError, Provider, discovery

Load = Callable[[str], type[Provider]]

REDACTED = "[redacted]"

_SHORT = 8
"""A secret of fewer characters is only taken for one where it stands as a word of its own."""


class KnownSecrets:
    """The secrets of every configuration that a process has learned of; a reload may have changed them."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, config: GatewayConfig, load: Load = discovery.load) -> None:
        """Hide the secrets of a configuration from now on; `load` gives the class of a provider."""
        self._texts.update(text for text in _secrets_of(config, load) if text)
        longest_first = sorted(self._texts, key=len, reverse=True)
        patterns = [
            re.escape(one) if len(one) >= _SHORT else rf"(?<!\w){re.escape(one)}(?!\w)"
            for one in longest_first
        ]
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def hide(self, text: str) -> str:
        """Return text without what is known to be secret; what is no text, as it is."""
        if self._pattern is None or not isinstance(text, str):  # a plugin may give anything for a message
            return text
        return self._pattern.sub(REDACTED, text)

    def exception_attributes(self, error: BaseException) -> Mapping[str, str]:
        """Return what is to be recorded of an exception in place of its own words, if those say a secret."""
        try:
            stack = "".join(traceback.format_exception(error))
        except Exception:  # an exception whose own `__str__` raises
            return {}
        hidden = self.hide(stack)
        if hidden == stack:
            return {}
        return {"exception.message": self.hide(str(error)), "exception.stacktrace": hidden}


KNOWN_SECRETS = KnownSecrets()
"""Of this process: its log is one, whichever part writes there."""


class RedactingFormatter(logging.Formatter):
    """Formats a line of the log, its traceback included, without what is known to be secret."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        return KNOWN_SECRETS.hide(super().format(record))


def _secrets_of(config: GatewayConfig, load: Load) -> Iterator[str]:
    for endpoint in config.endpoints:
        try:
            settings = load(endpoint.model.provider).settings
        except PluginError:  # whoever makes it says so
            settings = None
        yield from secrets_in(endpoint.model.config, settings)
    for target in config.tracing.otlp_targets:
        yield from target.headers.values()
        yield _password(target.endpoint)
    yield _password(config.limits.storage)


def _password(url: Any) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
