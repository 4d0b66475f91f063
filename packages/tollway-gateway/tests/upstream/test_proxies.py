"""Proxies of the environment: which one is used for what, how it is spoken to, and which are refused."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tollway.gateway.upstream import ProxyError, check_proxy
from tollway.gateway.upstream._proxies import proxy_of
from tollway.gateway.upstream._request import target_of
from tollway.provider import ProviderError, UpstreamConnectionError, UpstreamTimeoutError

from .conftest import CONNECT_S, post, run, serving_tls, trusting

PLAIN, SECURE = "http://models.test/v1", "https://models.test/v1"


def chosen(url: str, **environ: str) -> str | None:
    proxy = proxy_of(target_of(url).origin, environ)
    return None if proxy is None else f"{'https' if proxy.tls else 'http'}://{proxy.authority}"


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (PLAIN, {"http_proxy": "http://a:1"}, "http://a:1"),
        (PLAIN, {"HTTP_PROXY": "http://a:1"}, "http://a:1"),
        (PLAIN, {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, "http://a:1"),
        (PLAIN, {"http_proxy": "", "HTTP_PROXY": "http://b:1"}, "http://b:1"),
        (PLAIN, {"http_proxy": " ", "ALL_PROXY": "http://c:1"}, "http://c:1"),
        (PLAIN, {"https_proxy": "http://a:1"}, None),
        (SECURE, {"http_proxy": "http://a:1"}, None),
        (SECURE, {"HTTPS_PROXY": "http://a:1", "ALL_PROXY": "http://c:1"}, "http://a:1"),
        (SECURE, {"all_proxy": "https://c"}, "https://c:443"),
        (SECURE, {"all_proxy": "c:3128"}, "http://c:3128"),
        (SECURE, {"all_proxy": "HTTP://C:3128"}, "http://c:3128"),
        (SECURE, {"all_proxy": " http://[::1]:3128 "}, "http://[::1]:3128"),
        (SECURE, {"all_proxy": "http://c:1", "no_proxy": "models.test"}, None),
        (SECURE, {"all_proxy": "http://c:1", "no_proxy": "", "NO_PROXY": "models.test"}, None),
        (SECURE, {"all_proxy": "http://c:1", "no_proxy": "other", "NO_PROXY": "models.test"}, "http://c:1"),
    ],
)
def test_variables_are_read_as_curl_reads_them(url: str, environ: dict[str, str], proxy: str | None):
    assert proxy == chosen(url, **environ)


@pytest.mark.parametrize(
    ("url", "variable", "value", "problem", "hint"),
    [
        (SECURE, "ALL_PROXY", "socks5://me:secret@10.0.0.1:1080", "socks5://, and SOCKS proxies", "NO_PROXY"),
        (PLAIN, "all_proxy", "socks5h://10.0.0.1:1080", "all_proxy begins with socks5h://", "all_proxy"),
        (PLAIN, "http_proxy", "SOCKS4://10.0.0.1:1080", "SOCKS proxies are not supported", "http_proxy"),
        (SECURE, "HTTPS_PROXY", "ftp://secret@x", "ftp://, and such proxies", "HTTPS_PROXY to the URL"),
        (SECURE, "https_proxy", "http://me:secret/x@a:1", "https_proxy is not the URL", "percent-encoded"),
        (SECURE, "https_proxy", "http://", "https_proxy is not the URL", "http://HOST:PORT"),
        (SECURE, "https_proxy", "http://a:99999", "https_proxy is not the URL", "http://HOST:PORT"),
    ],
)
def test_proxies_that_cannot_be_used_are_refused(
    url: str, variable: str, value: str, problem: str, hint: str
):
    """The operator reads which variable it is and what to do. Nobody reads the password."""
    with pytest.raises(ProxyError) as caught:
        check_proxy(url, {variable: value})
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert "models.test" in caught.value.hint
    assert "secret" not in f"{caught.value.problem} {caught.value.hint}"
    with pytest.raises(ProviderError) as told:
        run(lambda client: client.send(post(url), CONNECT_S), {variable: value})
    assert variable not in told.value.message


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        (SECURE, {"ALL_PROXY": "socks5://a:1", "NO_PROXY": "models.test"}),
        (SECURE, {"http_proxy": "socks5://a:1"}),
        (SECURE, {"https_proxy": "http://a:1", "ALL_PROXY": "socks5://a:1"}),
        ("nonsense", {"ALL_PROXY": "socks5://a:1"}),
    ],
)
def test_proxies_that_are_not_used_are_not_judged(url: str, environ: dict[str, str]):
    check_proxy(url, environ)


@pytest.mark.parametrize(
    ("user_info", "credentials"),
    [
        ("me:pw", "Basic bWU6cHc="),
        ("me:p%20w", "Basic bWU6cCB3"),
        ("m%40e:p%3Aw%2F", "Basic bUBlOnA6dy8="),
        ("me", "Basic bWU6"),
        (":pw", "Basic OnB3"),
        ("%C3%A9:%E2%98%83", "Basic w6k64piD"),
    ],
)
def test_credentials_are_percent_decoded(proxy, user_info: str, credentials: str):
    """A proxy that forwards is sent the whole URL, and the credentials as its URL means them (RFC 7617)."""
    server = proxy()
    environ = {"HTTP_PROXY": f"http://{user_info}@127.0.0.1:{server.port}"}
    body = run(lambda client: client.send(post(PLAIN), CONNECT_S), environ).body
    (head,) = server.heads
    assert b"by-proxy" == body
    assert head.startswith(f"POST {PLAIN} HTTP/1.1\r\n")
    assert f"\r\nproxy-authorization: {credentials}\r\n" in head


def test_direct_requests_carry_no_credentials_of_the_proxy(upstream):
    server = upstream(lambda exchange: exchange.answer({}))
    environ = {"HTTP_PROXY": "http://me:pw@127.0.0.1:1", "NO_PROXY": "127.0.0.0/8"}
    run(lambda client: client.send(post(f"{server.url}/direct"), CONNECT_S), environ)
    seen = server.requests.get_nowait()
    assert ("/direct", None) == (seen.path, seen.headers.get("proxy-authorization"))


@pytest.mark.parametrize("by_tls", [False, True], ids=["http proxy", "https proxy"])
def test_tunnel_to_an_https_upstream(certificate, https, proxy, by_tls: bool):
    """The proxy is asked to connect, with its credentials, and sees nothing of what follows."""
    server = proxy(tls=serving_tls(certificate) if by_tls else None)
    scheme = "https" if by_tls else "http"
    environ = {"HTTPS_PROXY": f"{scheme}://me:pw@localhost:{server.port}"}
    request = post(f"https://localhost:{https}/over-tls")
    body = run(lambda client: client.send(request, CONNECT_S), environ, tls=trusting(certificate)).body
    (head,) = server.heads
    assert b"/over-tls" == body
    assert head.startswith(f"CONNECT localhost:{https} HTTP/1.1\r\nhost: localhost:{https}\r\n")
    assert "\r\nproxy-authorization: Basic bWU6cHc=\r\n" in head


def test_https_proxy_of_a_plain_upstream(certificate, proxy):
    """What goes to an `https://` proxy goes by TLS, whatever the upstream speaks."""
    server = proxy(tls=serving_tls(certificate))
    environ = {"HTTP_PROXY": f"https://me:pw@localhost:{server.port}"}
    body = run(lambda client: client.send(post(PLAIN), CONNECT_S), environ, tls=trusting(certificate)).body
    assert b"by-proxy" == body
    assert server.heads[0].startswith(f"POST {PLAIN} ")


@pytest.mark.parametrize("url", [PLAIN, SECURE])
def test_nothing_is_sent_in_the_clear_to_an_https_proxy(upstream, url: str):
    """A server that speaks no TLS gets a greeting of TLS, and neither credentials nor keys."""
    got = []

    def listen(connection):
        got.append(connection.recv(65536))
        connection.close()

    server = upstream(lambda exchange: None)
    server._talk = listen
    environ = {"ALL_PROXY": f"https://user:secret@127.0.0.1:{server.port}"}
    with pytest.raises(UpstreamConnectionError, match="the proxy in front"):
        run(lambda client: client.send(post(url, b"", ("authorization", "Bearer key")), CONNECT_S), environ)
    assert b"\x16\x03" == got[0][:2]
    assert b"secret" not in got[0]
    assert b"key" not in got[0]


def test_certificate_of_a_proxy_is_checked(certificate, proxy):
    server = proxy(tls=serving_tls(certificate))
    environ = {"ALL_PROXY": f"https://localhost:{server.port}"}
    with pytest.raises(UpstreamConnectionError, match=r"proxy .* certificate"):
        run(lambda client: client.send(post(SECURE), CONNECT_S), environ)
    assert [] == server.heads


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"HTTP/1.1 407 X\r\ncontent-length: 0\r\n\r\n", "407"),
        (b"HTTP/1.1 302 X\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n", "302"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "bytes of its own"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "bytes of its own"),
        (b"SSH-2.0-x\r\n", "did not answer in HTTP"),
    ],
)
def test_proxies_that_do_not_connect(proxy, reply: bytes, message: str):
    """What a proxy says instead of connecting is never taken for what the upstream says."""
    server = proxy(reply=reply)
    with pytest.raises(ProviderError, match=message):
        run(
            lambda client: client.send(post(SECURE), CONNECT_S),
            {"HTTPS_PROXY": f"http://127.0.0.1:{server.port}"},
        )


def test_hanging_up_reaches_the_upstream_through_two_layers_of_tls(certificate, proxy):
    """A caller that goes away ends the call at the upstream, also inside of a tunnel inside of TLS."""
    asked, gone = asyncio.Event(), threading.Event()

    async def upstream(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()
        writer.close()

    server = proxy(tls=serving_tls(certificate))
    environ = {"ALL_PROXY": f"https://localhost:{server.port}"}

    async def cancel(client):
        origin = await asyncio.start_server(upstream, "127.0.0.1", 0, ssl=serving_tls(certificate))
        port = origin.sockets[0].getsockname()[1]
        task = asyncio.create_task(client.send(post(f"https://localhost:{port}/"), CONNECT_S))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(gone.wait, 20)
        origin.close()

    run(cancel, environ, tls=trusting(certificate))


@pytest.mark.parametrize("stage", ["proxy's TLS", "CONNECT", "upstream's TLS"])
def test_connect_time_limit_covers_every_stage(certificate, proxy, upstream, stage: str):
    """A proxy or an upstream that falls silent while it is connected to is a 504 after `connect`."""
    silent = upstream(lambda exchange: exchange.wait_until_gone())
    silent._talk = lambda connection: connection.recv(65536) and connection.recv(65536)
    server = proxy(tls=serving_tls(certificate), reply=b"" if stage == "CONNECT" else None)
    port = silent.port if stage == "proxy's TLS" else server.port
    url = f"https://localhost:{silent.port}/" if stage == "upstream's TLS" else SECURE
    with pytest.raises(UpstreamTimeoutError):
        run(
            lambda client: client.send(post(url), 0.3),
            {"ALL_PROXY": f"https://localhost:{port}"},
            tls=trusting(certificate),
        )
