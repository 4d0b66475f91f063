"""What is fuzzed. A target's `step` does one thing at random and raises AssertionError if that goes wrong."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from pathlib import Path
from random import Random
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
import orjson
import yaml

from support.processes import WAIT_S
from support.serving import Gateway, write
from tollway.gateway.config import ConfigError, load
from tollway.provider import (
    Call,
    HTTPProvider,
    ProviderError,
    Target,
    Task,
    UpstreamResponse,
    discovery,
    with_defaults,
)

from . import corpus
from .health import Health
from .mutate import mutated, mutated_value, pieces
from .upstream import FuzzUpstream

_RELOAD_EVERY = 10

_EVERY = 25
"""Steps between two looks at a gateway's health."""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")

_WITHOUT_CAUSE = {500, 502, 504}
"""Statuses that no request may come to before an upstream that is well."""


ADMIN = "tw-admin-of-the-fuzzers"
BUDGET = {"amount": 1_000_000, "period": "day"}


def _authenticated(request: httpx.Request) -> httpx.Request:
    """Give a request the key that it needs: the admin's for what is about the gateway itself."""
    is_call = request.url.path.startswith(("/endpoints/", "/v1/"))
    request.headers["authorization"] = f"Bearer {corpus.KEY if is_call else ADMIN}"
    return request


class FuzzTarget(Protocol):
    """Something that reads foreign input."""

    def step(self, random: Random) -> None:
        """Feed it once."""

    def close(self) -> None:
        """Look at it a last time."""


def _config(upstream: FuzzUpstream, folder: Path) -> dict[str, Any]:
    def endpoint(name: str) -> dict[str, Any]:
        config = {"openai_api_key": "sk-fuzz", "openai_api_base": f"{upstream.url}/v1"}
        return {
            "name": name,
            "endpoint_type": "llm/v1/chat",
            "model": {"provider": "openai", "name": name, "config": config},
            "timeout": {"first_token": "1s", "idle": "1s", "total": "2s"},
            "limit": {"calls": 1_000_000, "renewal_period": "minute"},
            "price": {"input": 3, "output": 15, "per": "1M"},
        }

    return {
        "endpoints": [endpoint("echo"), endpoint("fuzz")],
        "tracing": {"sampling_rate": 0.1, "store": str(folder / "traces")},
        "auth": {"admin_key": ADMIN, "keys": [{"name": "fuzz", "key": corpus.KEY, "budget": BUDGET}]},
    }


class _GatewayTarget:
    """A gateway as a process, its upstream, and a canary: a request whose answer is known.

    It has keys, limits, prices and budgets, and serves by another configuration every few steps.
    """

    def __init__(self, folder: Path) -> None:
        self.upstream = FuzzUpstream()
        self._folder = folder
        self.config = _config(self.upstream, folder)
        self.gateway = Gateway(self.config, folder)
        self.gateway.client.auth = _authenticated
        self._steps = 0
        try:
            self.gateway.wait_until_ready()
            self.reload()
            for number in range(50):
                self.canary(f"warm-up {number}")
            self._health = Health(self.gateway)
        except BaseException:
            self.gateway.close()
            raise

    def canary(self, text: str) -> None:
        """Ask what has one right answer."""
        body = {"messages": [{"role": "user", "content": text}]}
        answer = self.gateway.client.post("/endpoints/echo/invocations", json=body)
        assert 200 == answer.status_code, answer.text
        said = answer.json()["choices"][0]["message"]["content"]
        assert text == said, f"asked for {text!r}, got {said!r}"

    def reload(self) -> None:
        """Serve by a configuration that is another one each time."""
        self.config["endpoints"][1]["timeout"]["total"] = f"{2000 + self._steps % 7}ms"
        self.config["endpoints"][0]["limit"]["calls"] = 1_000_000 + self._steps
        write(self.config, self._folder)
        answer = self.gateway.client.post("/api/reload")
        assert 200 == answer.status_code, answer.text

    def look(self, random: Random) -> None:
        """Ask the canary; now and then reload, and look at the process too."""
        self._steps += 1
        if self._steps % _RELOAD_EVERY == 0:
            self.reload()
        self.canary(f"canary {random.random()}")
        if self._steps % _EVERY == 0:
            self._health.check()

    def close(self) -> None:
        """See `FuzzTarget.close`: a gateway ends with 0."""
        try:
            self._health.check()
            assert 0 == self.gateway.stop()
        finally:
            self.gateway.close()
            self.upstream.close()


class ServerBytes(_GatewayTarget):
    """Bytes from a caller."""

    def step(self, random: Random) -> None:
        """See `FuzzTarget.step`."""
        requests = random.choices(corpus.REQUESTS, k=random.choice((1, 1, 2, 4)))
        data = mutated(b"".join(requests), random)
        for status in _STATUS.findall(self._exchanged(data, random)):
            assert int(status) not in _WITHOUT_CAUSE, f"{status!r} for {data!r}"
        self.look(random)

    def _exchanged(self, data: bytes, random: Random) -> bytes:
        """Send bytes on a connection of their own; return what came back within a moment."""
        address = urlsplit(self.gateway.url)
        received = bytearray()
        with (
            socket.create_connection((address.hostname, address.port), timeout=0.05) as connection,
            contextlib.suppress(OSError),
        ):
            for piece in pieces(data, random):
                connection.sendall(piece)
            while more := connection.recv(65536):
                received += more
        return bytes(received)


class UpstreamBytes(_GatewayTarget):
    """Bytes from an upstream."""

    def step(self, random: Random) -> None:
        """See `FuzzTarget.step`."""
        self.upstream.data = mutated(random.choice(corpus.ANSWERS), random)
        self.upstream.random = random
        body = {"messages": [{"role": "user", "content": "?"}], "stream": random.random() < 0.5}
        try:
            status = self.gateway.client.post("/endpoints/fuzz/invocations", json=body).status_code
        except httpx.HTTPError as error:
            raise AssertionError(f"{error!r} after {self.upstream.data!r}") from error
        assert 500 != status, self.upstream.data
        self.look(random)


class Reloads(_GatewayTarget):
    """Configurations for a gateway that runs."""

    _restored = 1_000_000
    """Burst of the last good configuration, by which it is known."""

    def step(self, random: Random) -> None:
        """See `FuzzTarget.step`."""
        data = mutated(yaml.safe_dump(self.config).encode(), random, most=2)
        (self._folder / "gateway-config.yaml").write_bytes(data)
        answer = self.gateway.client.post("/api/reload")
        assert answer.status_code in (200, 422), f"{answer.text} for {data!r}"
        assert (answer.status_code == 422) == bool(answer.json().get("problems")), answer.text
        self._restore()
        self.look(random)

    def _restore(self) -> None:
        """Serve by what is good: by a signal, since the admin's key may be another one by now."""
        self._restored += 1
        self.config["endpoints"][0]["limit"]["burst"] = self._restored
        write(self.config, self._folder)
        self.gateway.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + WAIT_S
        while not self._is_restored():
            assert time.monotonic() < deadline, self.gateway.process.output[-2000:]

    def _is_restored(self) -> bool:
        answer = self.gateway.client.get("/api/2.0/endpoints/echo")
        return answer.status_code == 200 and self._restored == answer.json()["limit"]["burst"]


class Configs:
    """Files in the place of a configuration."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "fuzzed.yaml"

    def step(self, random: Random) -> None:
        """See `FuzzTarget.step`."""
        if random.random() < 0.5:
            data = mutated(random.choice(corpus.CONFIGS), random)
        else:
            value = mutated_value(yaml.safe_load(random.choice(corpus.CONFIGS)), random)
            data = yaml.safe_dump(value, allow_unicode=True).encode()
        self._path.write_bytes(data)
        try:
            with contextlib.suppress(ConfigError):
                load(self._path, environ={"OPENAI_API_KEY": "sk"})
        except Exception as error:
            raise AssertionError(f"{error!r} for {data!r}") from error

    def close(self) -> None:
        """See `FuzzTarget.close`."""


class Providers:
    """The functions of the built-in HTTP providers: requests, answers, errors and streams."""

    def __init__(self) -> None:
        self._providers = [_provider(name, settings) for name, settings in corpus.PROVIDERS.items()]

    def step(self, random: Random) -> None:
        """See `FuzzTarget.step`."""
        provider = random.choice(self._providers)
        body = json.dumps(mutated_value(random.choice(corpus.PAYLOADS), random), allow_nan=False).encode()
        payload = orjson.loads(body)
        if not isinstance(payload, dict):
            return
        call = Call(Task.CHAT, payload, body, random.random() < 0.5)
        with contextlib.suppress(ProviderError):
            provider.request(call)
        call = Call(Task.CHAT, corpus.PAYLOADS[0], json.dumps(corpus.PAYLOADS[0]).encode(), call.stream)
        body = mutated(random.choice(corpus.BODIES), random)
        response = UpstreamResponse(random.choice((200, 400, 500)), {"content-type": "text/html"}, body)
        with contextlib.suppress(ProviderError):
            provider.response(call, response)
        provider.error(response)
        self._stream(provider, call, random)

    def _stream(self, provider: HTTPProvider, call: Call, random: Random) -> None:
        """What a stream says does not depend on where its bytes were cut."""
        data = mutated(random.choice(corpus.STREAMS), random)
        first, second = (_decoded(provider, call, pieces(data, random)) for _ in range(2))
        assert first == second, f"{type(provider).__name__}: {first} and {second} of {data!r}"

    def close(self) -> None:
        """See `FuzzTarget.close`."""


def _provider(name: str, settings: dict[str, Any]) -> HTTPProvider:
    kind = discovery.load(name)
    made = kind(Target("fuzz", Task.CHAT, "model", with_defaults(kind.settings, settings)))
    assert isinstance(made, HTTPProvider)
    return made


def _decoded(provider: HTTPProvider, call: Call, data: list[bytes]) -> tuple[bytes, bool]:
    decoder = provider.stream(call)
    said = b"".join(decoder.feed(piece) for piece in data) + decoder.end()
    return re.sub(rb'"(id|created)": ?("[^"]*"|\d+)', b"", said), decoder.error is None


TARGETS = ("server", "upstream", "reloads", "configs", "providers")


def made(name: str, folder: Path) -> FuzzTarget:
    """Make a target by its name."""
    if name == "configs":
        return Configs(folder)
    if name == "providers":
        return Providers()
    return {"server": ServerBytes, "upstream": UpstreamBytes, "reloads": Reloads}[name](folder)
