"""TLS to an upstream, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tollway.gateway.upstream import HTTP1Client
from tollway.provider import UpstreamConnectionError, UpstreamRequest

from .conftest import CONNECT_S, trusting


def ask(port: int, environ: dict[str, str], tls: ssl.SSLContext | None) -> bytes:
    async def main() -> bytes:
        client = HTTP1Client(environ, tls)
        try:
            request = UpstreamRequest(f"https://localhost:{port}/over-tls", (), b"{}")
            return (await asyncio.wait_for(client.send(request, CONNECT_S), 20)).body
        finally:
            await client.close()

    return asyncio.run(main())


def test_https(certificate, https):
    assert ask(https, {}, trusting(certificate)) == b"/over-tls"


def test_certificate_that_nobody_vouches_for_is_refused(https):
    with pytest.raises(UpstreamConnectionError, match="certificate"):
        ask(https, {}, None)
