"""Request targets and hosts, as RFC 9112 section 3.2 and RFC 3986 define them."""

from __future__ import annotations

import pytest

from tollway.gateway.errors import RequestRejected
from tollway.gateway.server.target import check_host, parts_of, split_absolute


@pytest.mark.parametrize(
    "value",
    [
        *(b"x", b"example.com", b"EXAMPLE.com:8000", b"127.0.0.1", b"127.0.0.1:80", b"my_service.local:1"),
        *(
            b"[::1]",
            b"[::1]:8000",
            b"[2001:db8::ffff:10.0.0.1]:1",
            b"[v1.fe80::a+en1]",
            b"x:",
            b"x:0",
            b"x:65535",
        ),
        *(b"a%20b", b"!$&'()*+,;=", b""),
    ],
)
def test_a_host_may_be(value: bytes):
    """A name, an address or a literal, with a port or without; an empty one is a name too (RFC 3986)."""
    check_host(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"a b",
            b" ",
            b"a@b",
            b"user:password@host",
            b"a:b:c",
            b"a:b",
            b"x:65536",
            b"x:99999999",
            b"x:-1",
            b"x: 1",
        ),
        *(
            b"\xff",
            b"\xff\\x",
            b"a\\b",
            b"x/../y",
            b"http://x",
            b"x?y",
            b"x#y",
            b"a,b:1,2",
            b"%zz",
            b"%",
            b"a%2",
        ),
        *(
            b"[",
            b"]",
            b"[]",
            b"[::1",
            b"::1",
            b"[::1]x",
            b"[::1]:a",
            b"[::g]",
            b"[1.2.3.4]",
            b"[fe80::1%25eth0]",
            b"[::1:80",
            b"[[::1]]",
            b"\x7f",
            b"x\x00",
            b"\xc3\xa9.com",
        ),
    ],
)
def test_a_host_may_not_be(value: bytes):
    with pytest.raises(RequestRejected) as rejected:
        check_host(value)
    assert (400, "invalid_host") == (rejected.value.failure.status, rejected.value.failure.code)


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"/", ("/", b"/", b"")),
        (b"/a/b?x=1?y", ("/a/b", b"/a/b", b"x=1?y")),
        (b"/a%20%C3%A9", ("/a é", b"/a%20%C3%A9", b"")),
        (b"/a%2Fb%3fc", ("/a/b?c", b"/a%2Fb%3fc", b"")),
        (b"//host/a", ("//host/a", b"//host/a", b"")),
        (b"/?", ("/", b"/", b"")),
        (b"/a?%zz", ("/a", b"/a", b"%zz")),
        (b'/{a}|"b"', ('/{a}|"b"', b'/{a}|"b"', b"")),
    ],
)
def test_a_target_has_a_path_and_a_query(target: bytes, parts: tuple[str, bytes, bytes]):
    assert parts == parts_of("GET", target)


@pytest.mark.parametrize(
    "target", [b"a", b"*", b"*x", b"/a#b", b"/%", b"/%2", b"/%zz", b"/%ff", b"/a%C3", b""]
)
def test_a_target_may_not_be(target: bytes):
    with pytest.raises(RequestRejected) as rejected:
        parts_of("GET", target)
    assert (400, "invalid_target") == (rejected.value.failure.status, rejected.value.failure.code)


def test_options_may_be_asked_of_the_server_itself():
    assert ("*", b"*", b"") == parts_of("OPTIONS", b"*")


@pytest.mark.parametrize(
    ("method", "target", "split"),
    [
        ("GET", b"http://a:1/b?c", (b"a:1", b"/b?c")),
        ("GET", b"HTTPS://a", (b"a", b"/")),
        ("GET", b"http://a?x", (b"a", b"/?x")),
        ("OPTIONS", b"http://a", (b"a", b"*")),
        ("OPTIONS", b"http://a/", (b"a", b"/")),
        ("GET", b"http://[::1]:1/", (b"[::1]:1", b"/")),
    ],
)
def test_a_url_as_target(method: str, target: bytes, split: tuple[bytes, bytes]):
    assert split == split_absolute(method, target)


@pytest.mark.parametrize(
    "target", [b"http:///a", b"ftp://a/", b"http://u@a/", b"http://a:b/", b"http:a", b"http://a/#b"]
)
def test_a_url_that_is_no_target(target: bytes):
    with pytest.raises(RequestRejected) as rejected:
        split_absolute("GET", target)
    assert 400 == rejected.value.failure.status
