"""Web pages of other sites may not call the gateway, and everything that is not a browser may."""

from __future__ import annotations

import pytest

from tollway.gateway.guard.origin_check import OriginCheck

HOST = (b"host", b"localhost:8000")


def code(check: OriginCheck, *headers: tuple[bytes, bytes], method: str = "POST") -> str | None:
    """Return the code of the objection, asked twice: what is remembered changes nothing."""
    first, second = (check.verdict(method, headers) for _ in range(2))
    assert first == second
    return None if first is None else first.code


@pytest.mark.parametrize(
    "host",
    [
        *(b"localhost", b"LOCALHOST:8000", b"localhost.", b"app.localhost:3000", b"gateway:8000", b"x", b""),
        *(
            b"127.0.0.1",
            b"127.9.9.9:1",
            b"127.1",
            b"2130706433",
            b"[::1]",
            b"[::1]:80",
            b"[::ffff:127.0.0.1]",
        ),
    ],
)
def test_names_of_this_machine_are_good(host: bytes):
    """Loopback addresses in every form that clients send, and names that nobody can register."""
    assert code(OriginCheck(is_local=True), (b"host", host)) is None


@pytest.mark.parametrize(
    "host",
    [
        *(b"evil.example", b"evil.example:8000", b"EVIL.example", b"localhost.evil.example", b"evil.com."),
        *(b"127.0.0.1.evil.example", b"notlocalhost.example", b"x.notlocalhost", b"com.", b"192.168.0.1"),
        *(b"0.0.0.0", b"0", b"8.8.8.8:53", b"[2001:db8::1]", b"[::1].evil.example", b"localhost@evil"),
        *(b"[", b"[]", b"a b", b"a/b", b"\xff.b", b"localhost:80:80", b"127.0.0.1:x"),
    ],
)
def test_other_hosts_are_refused_where_only_this_machine_calls(host: bytes):
    """They may be an attacker's name that resolves to 127.0.0.1; the refusal says how to allow it."""
    objection = OriginCheck(is_local=True).verdict("GET", [(b"host", host)])
    assert objection is not None
    assert objection.code == "host_not_allowed"
    assert "server.allowed_hosts" in objection.message
    assert code(OriginCheck(is_local=False), (b"host", host)) is None


@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize(
    ("allowed", "host", "expected"),
    [
        ("host.docker.internal", b"host.docker.internal:8000", None),
        ("host.docker.internal", b"HOST.docker.internal", None),
        ("host.docker.internal", b"127.0.0.1", None),
        ("host.docker.internal", b"x.host.docker.internal", "host_not_allowed"),
        ("*.internal", b"a.b.internal", None),
        ("*.internal", b"evilinternal.example", "host_not_allowed"),
        ("*.internal", b"notinternal.net", "host_not_allowed"),
        ("[2001:db8::1]", b"[2001:DB8::1]:8000", None),
        ("*", b"anything.example", None),
    ],
)
def test_allowed_hosts(is_local: bool, allowed: str, host: bytes, expected: str | None):
    """They are added to this machine's names; on an address that others reach they turn the check on."""
    assert expected == code(OriginCheck((allowed,), is_local=is_local), (b"host", host))


@pytest.mark.parametrize("is_local", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("headers", "is_good"),
    [
        ([], True),
        ([(b"content-type", b"text/plain")], True),
        ([(b"sec-fetch-site", b"same-origin"), (b"origin", b"http://localhost:8000")], True),
        ([(b"sec-fetch-site", b"none")], True),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"same-site"), (b"origin", b"http://localhost:3000")], False),
        ([(b"sec-fetch-site", b"Cross-Site")], False),
        ([(b"sec-fetch-site", b"")], False),
        ([(b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"cross-site"), (b"origin", b"http://localhost:8000")], False),
        ([(b"origin", b"http://localhost:8000")], True),
        ([(b"origin", b"HTTP://LOCALHOST:8000")], True),
        ([(b"origin", b"http://evil.example")], False),
        ([(b"origin", b"http://localhost:3000")], False),
        ([(b"origin", b"http://localhost")], False),
        ([(b"origin", b"http://127.0.0.1:8000")], False),
        ([(b"origin", b"http://localhost:8000.evil.example")], False),
        ([(b"origin", b"http://localhost:8000"), (b"origin", b"http://evil.example")], False),
        ([(b"origin", b"null")], False),
        ([(b"origin", b"")], False),
        ([(b"origin", b"file://")], False),
        ([(b"sec-fetch-mode", b"navigate"), (b"sec-fetch-dest", b"document")], True),
    ],
)
def test_requests_of_pages(headers: list[tuple[bytes, bytes]], is_good: bool, method: str, is_local: bool):
    """Own pages may call, others not, on any address; without a browser's headers everybody may."""
    expected = None if is_good else "cross_site_request"
    assert expected == code(OriginCheck(is_local=is_local), HOST, *headers, method=method)


@pytest.mark.parametrize(
    ("origin", "host", "is_good"),
    [
        (b"https://gateway.example", b"gateway.example", True),
        (b"https://gateway.example:443", b"gateway.example", True),
        (b"http://gateway.example", b"gateway.example:80", True),
        (b"https://gateway.example", b"gateway.example:80", False),
        (b"http://[::1]:8000", b"[::1]:8000", True),
    ],
)
def test_an_origin_is_compared_with_its_default_port(origin: bytes, host: bytes, is_good: bool):
    """Also where something in front of the gateway speaks TLS."""
    found = code(OriginCheck(is_local=False), (b"host", host), (b"origin", origin))
    assert (found is None) is is_good


@pytest.mark.parametrize(
    ("method", "mode", "target", "is_good"),
    [
        ("GET", b"navigate", b"document", True),
        ("HEAD", b"navigate", b"document", True),
        ("POST", b"navigate", b"document", False),
        ("GET", b"navigate", b"iframe", False),
        ("GET", b"no-cors", b"image", False),
        ("GET", b"cors", b"empty", False),
    ],
)
def test_a_link_from_elsewhere_can_be_followed(method: str, mode: bytes, target: bytes, is_good: bool):
    """A page that opens is harmless; a frame, an image and a form are not."""
    headers = (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", mode), (b"sec-fetch-dest", target)
    assert (code(OriginCheck(is_local=True), HOST, *headers, method=method) is None) is is_good


def test_what_is_remembered_is_bounded():
    """A caller cannot fill the memory with names."""
    check = OriginCheck(("*",), is_local=True)
    for number in range(1000):
        check.verdict("GET", [(b"host", b"%d.example" % number)])
    assert len(check._known_hosts) <= 256
