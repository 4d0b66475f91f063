"""Services that speak OpenAI's dialect, one class for each row of `_services`.

An entry point names a row (`tollway.providers.compatible:groq`), and its class is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson

from tollway.provider import (
    Answer,
    Call,
    HTTPProvider,
    PayloadError,
    Setting,
    SettingProblem,
    StreamDecoder,
    Target,
    Task,
    UpstreamRequest,
    UpstreamResponse,
)

from ._base_url import check_base_url
from ._completions import as_chat, as_completion, completion_stream
from ._headers import EXTRA_HEADERS, check_extra_headers, extra_headers
from ._services import SERVICES, Service


class CompatibleProvider(HTTPProvider):
    """A service that speaks OpenAI's dialect; what is special about it is its `service`.

    The key is `<provider>_api_key` or `api_key`, the base URL `<provider>_api_base` or `api_base`, as in
    MLflow.
    """

    service: ClassVar[Service]
    takes_scanned = True
    key_names: ClassVar[tuple[str, ...]]
    base_names: ClassVar[tuple[str, ...]]

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings that there is one key and one base URL."""
        yield from super().check(config, task)
        yield from _check_one_of(
            cls.key_names, config, cls.service.needs_key, f"the key of {cls.service.title}"
        )
        where = f"the base URL of {cls.service.title}"
        yield from _check_one_of(cls.base_names, config, cls.service.needs_base, where)
        for name in cls.base_names:
            if config.get(name):
                yield from check_base_url(name, config[name], cls.service.base_url)
        yield from check_extra_headers(config)

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        service, config = self.service, target.config
        self._take_base(first_of(self.base_names, config))
        if key := first_of(self.key_names, config):
            self.headers = (
                (service.key_header, key) if service.key_header else ("authorization", f"Bearer {key}"),
            )
        asked = ((header, config.get(setting)) for setting, header in service.header_settings.items())
        self.headers += tuple((header, str(value)) for header, value in asked if value)
        self.headers += extra_headers(config)
        self._differing = {*service.renamed, *service.dropped}

    def _take_base(self, given: str) -> None:
        """Take the base URL of the config; one without a path gets that of the row."""
        base, _, self.query = (given or self.service.base_url).partition("?")
        self.url = base.rstrip("/")
        if not urlsplit(self.url).path:
            self.url += urlsplit(self.service.base_url).path

    def _by_chat(self, task: Task) -> bool:
        """Whether these are completions of a service that only chats."""
        return task is Task.COMPLETIONS and task not in self.service.tasks

    def url_of(self, task: Task) -> str:
        """Return the address that serves a task."""
        task = Task.CHAT if self._by_chat(task) else task
        path = self.service.paths.get(task)
        return super().url_of(task) if path is None else self.address(path)

    def request(self, call: Call) -> UpstreamRequest:
        """Say how to ask; raise `PayloadError` for what the service would silently not do."""
        if self._by_chat(call.task):
            call = as_chat(call)
        payload = self.payload_of(call.payload)
        if payload is not call.payload:
            call = replace(call, payload=payload, body=orjson.dumps(payload))
        return super().request(call)

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer."""
        if self._by_chat(call.task):
            return as_completion(self.response(as_chat(call), response))
        return super().response(call, response)

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        if self._by_chat(call.task):
            return completion_stream(self.stream(as_chat(call)))
        return super().stream(call)

    def payload_of(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the payload as the service takes it, the caller's own where nothing differs."""
        service = self.service
        for name in service.refused:
            if payload.get(name) not in (None, False, _NEUTRAL.get(name)):
                raise PayloadError(f"{service.title} does not support {name}", param=name)
        if self._differing.isdisjoint(payload):
            return payload
        kept = {name: value for name, value in payload.items() if name not in service.dropped}
        for old, new in service.renamed.items():
            value = kept.pop(old, None)
            if value is not None:
                kept.setdefault(new, value)
        return kept


_NEUTRAL = {"n": 1}
"""Values of refused fields that ask for nothing special."""


def first_of(names: Iterable[str], config: Mapping[str, Any]) -> str:
    """Return the first of these settings that the config has; empty if it has none."""
    return next((str(config[name]) for name in names if config.get(name)), "")


def provider_of(
    service: Service, base: type[CompatibleProvider] = CompatibleProvider
) -> type[CompatibleProvider]:
    """Return the class of a row; `base` is the class of a dialect that differs further."""
    prefix = attribute_of(service.name)
    keys = (f"{prefix}_api_key", "api_key", *service.key_settings)
    bases = (f"{prefix}_api_base", "api_base", *service.base_settings)
    named = "".join(word.capitalize() for word in prefix.split("_"))
    return type(
        f"{named}Provider",
        (base,),
        {
            "service": service,
            "telemetry_name": service.telemetry_name or service.name,
            "tasks": frozenset((*service.tasks, Task.COMPLETIONS)),
            "base_url": service.base_url,
            "asks_usage": "stream_options" not in service.dropped,
            "key_names": keys,
            "base_names": bases,
            "settings": _settings(service, keys, bases),
            "__doc__": f"{service.title}: {service.docs}",
            "__module__": base.__module__,
        },
    )


def attribute_of(name: str) -> str:
    """Return a provider's name as it stands in an entry point and in settings."""
    return name.replace("-", "_").replace(".", "_")


def _settings(service: Service, keys: tuple[str, ...], bases: tuple[str, ...]) -> tuple[Setting, ...]:
    return (
        *(Setting(name, f"the key of {service.title}, best as $ENV", secret=True) for name in keys),
        *(Setting(name, f"the base URL, such as {service.base_url}") for name in bases),
        *(Setting(name, f"sent as the header {header}") for name, header in service.header_settings.items()),
        EXTRA_HEADERS,
    )


def _check_one_of(
    names: tuple[str, ...], config: Mapping[str, Any], needed: bool, what: str
) -> Iterator[SettingProblem]:
    given = [name for name in names if config.get(name)]
    if needed and not given:
        name = next((name for name in names if name in config), names[0])
        yield SettingProblem(name, f"{name} is missing", f"add it ({' or '.join(names)}): {what}")
    if len({config[name] for name in given if isinstance(config[name], str)}) > 1:
        yield SettingProblem(given[1], f"{given[0]} and {given[1]} differ", f"give one of them: {what}")


_made: dict[str, type[CompatibleProvider]] = {}

_ROWS = {attribute_of(service.name): service for service in SERVICES}


def __getattr__(name: str) -> type[CompatibleProvider]:
    """Return the class of a row, made when an entry point asks for it."""
    if name not in _ROWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _made:
        _made[name] = provider_of(_ROWS[name])
    return _made[name]
