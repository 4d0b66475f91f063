"""The clients, each behind the same three calls: a whole answer, a stream, the end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CONNECT_S = 10.0
BODY = b'{"model":"gpt-4","messages":[{"role":"user","content":"What is a toll road?"}]}'


@dataclass(frozen=True, slots=True)
class Settings:
    """What a scene asks of a client: whom it trusts, whether HTTP/2 is wanted, through which proxy."""

    trusted: str | None = None
    http2: bool = False
    proxy: str | None = None


class Client(Protocol):
    """What scenes use."""

    async def whole(self, url: str) -> int:
        """Ask, wait for the whole answer, and return its length."""
        ...

    def stream(self, url: str) -> AsyncIterator[bytes]:
        """Ask, and yield the body as it comes."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Ours:
    """`tollway.gateway.upstream`, as the gateway uses it."""

    def __init__(self, settings: Settings) -> None:
        from tollway.gateway.upstream import HTTP1Client
        from tollway.provider import UpstreamRequest

        if settings.http2:
            raise NotImplementedError("HTTP/2")
        trusted = settings.trusted
        tls = None if trusted is None else ssl.create_default_context(cafile=trusted)
        self._client = HTTP1Client({"HTTP_PROXY": settings.proxy} if settings.proxy else {}, tls)
        self._request = lambda url: UpstreamRequest(url, (("content-type", "application/json"),), BODY)

    async def whole(self, url: str) -> int:
        return len((await self._client.send(self._request(url), CONNECT_S)).body)

    async def stream(self, url: str) -> AsyncIterator[bytes]:
        answer = await self._client.open(self._request(url), CONNECT_S)
        try:
            while data := await answer.read():
                yield data
        finally:
            answer.close()

    async def close(self) -> None:
        await self._client.close()


class Pyreqwest:
    """pyreqwest, as a gateway must use it: by its defaults an event would wait for 64 KiB of others."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trusted = None if settings.trusted is None else Path(settings.trusted).read_bytes()
        self._client: Any = None

    async def _get(self) -> Any:
        """Make it on the running event loop."""
        if self._client is None:
            from pyreqwest.client import ClientBuilder
            from pyreqwest.proxy import ProxyBuilder

            builder = ClientBuilder()
            if not self._settings.http2:
                builder = builder.http1_only()
            if self._trusted is not None:
                builder = builder.add_root_certificate_pem(self._trusted)
            if self._settings.proxy is not None:
                builder = builder.proxy(ProxyBuilder.http(self._settings.proxy))
            self._client = await builder.build().__aenter__()
        return self._client

    async def _request(self, url: str) -> Any:
        client = self._client or await self._get()
        return client.post(url).header("content-type", "application/json").body_bytes(BODY)

    async def whole(self, url: str) -> int:
        response = await (await self._request(url)).build().send()
        return len(await response.bytes())

    async def stream(self, url: str) -> AsyncIterator[bytes]:
        request = (await self._request(url)).streamed_read_buffer_limit(0)
        async with request.build_streamed() as response:
            while (data := await response.body_reader.read_chunk()) is not None:
                yield bytes(data)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.__aexit__(None, None, None)


CLIENTS: dict[str, type[Ours] | type[Pyreqwest]] = {"ours": Ours, "pyreqwest": Pyreqwest}
