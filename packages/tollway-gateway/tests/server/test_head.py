"""The head of a request: what RFC 9110 and 9112 let a server accept, and what it must not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.errors import RequestRejected
from tollway.gateway.server import head as head_module
from tollway.gateway.server.head import MAX_FIELDS, MAX_KNOWN, RequestHead

LINE = b"POST /a HTTP/1.1\r\n"
HOST = b"Host: x\r\n"


def parsed(data: bytes) -> RequestHead:
    for _ in range(2):  # what is known is read in the same way
        head = RequestHead()
        head.parse(data)
    return head


def rejected(data: bytes) -> tuple[int, str]:
    with pytest.raises(RequestRejected) as error:
        parsed(data)
    return error.value.failure.status, error.value.failure.code


def test_a_head_says_what_is_asked():
    head = parsed(
        b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\nX-A: \t 1 2\t \r\nx-a:\r\nContent-Length: 007\r\n\r\n"
    )
    assert ("POST", "/a b", b"/a%20b", b"c", "1.1") == (
        *(head.method, head.path, head.raw_path, head.query, head.http_version),
    )
    assert [(b"host", b"x"), (b"x-a", b"1 2"), (b"x-a", b""), (b"content-length", b"007")] == head.headers
    assert (7, False, True, False) == (
        *(head.content_length, head.chunked, head.keep_alive, head.expects_continue),
    )


NO_LINES = (
    *(b"GET /", b"GET", b"", b"GET / ", b"GET / HTTP", b"GET / HTTP/1", b"GET / HTTP/1.10", b"GET / HTTP/11"),
    *(b"GET / http/1.1", b"GET / HTTPS/1.1", b"GET / ICE/1.0", b"DESCRIBE / RTSP/1.0", b"GET / HTTP/1.1 "),
    *(b" GET / HTTP/1.1", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1", b"GET\t/ HTTP/1.1", b"GET /a b HTTP/1.1"),
    *(b"get / HTTP/1.1", b"BREW / HTTP/1.1", b"G@T / HTTP/1.1", b"GET /\t HTTP/1.1", b"GET /\x01 HTTP/1.1"),
    *(b"GET /\x7f HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /\xc3\xa9 HTTP/1.1", b"GET /\0 HTTP/1.1"),
    *(b"GET a HTTP/1.1", b"GET x:1 HTTP/1.1", b"GET ?a HTTP/1.1", b"GET @a HTTP/1.1", b"\x16\x03\x01"),
    *(b"GET /\r HTTP/1.1", b"GET /\n HTTP/1.1", b"GET / HTTP/1.1\r"),
)


@pytest.mark.parametrize("line", NO_LINES)
def test_a_first_line_that_is_none(line: bytes):
    assert (400, "malformed_request") == rejected(line + b"\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"3.0", b"9.9"])
def test_versions_that_are_not_supported(version: bytes):
    for line in (b"GET / HTTP/", b"PRI * HTTP/"):
        assert (505, "unsupported_http_version") == rejected(line + version + b"\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize("target", [b"*", b"*x", b"/#a", b"/%", b"/%zz", b"/%ff", b"ftp://x/", b"http:///a"])
def test_a_target_that_is_none(target: bytes):
    assert (400, "invalid_target") == rejected(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")


def test_this_is_not_a_proxy():
    assert (501, "unsupported_method") == rejected(b"CONNECT x:443 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (400, "invalid_host") == rejected(b"GET http://u@x/ HTTP/1.1\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        *(
            b" X-A: a",
            b"X-A : a",
            b"X-A\t: a",
            b"X-A",
            b": a",
            b"X A: a",
            b"X(A): a",
            b'X"A: a',
            b"X\xc3\xa9: a",
        ),
        *(
            b"X-A: a\0",
            b"X-A: a\x01",
            b"X-A: a\x7f",
            b"X-A: a\x0b",
            b"X-A: a\rb",
            b"X-A: a\nX-B: b",
            b"X-A: a\n",
        ),
        *(b"X-A: a\r\n b", b"X-A: a\r\n\tb", b"X-A:\r\n b", b"X\0A: a", b"X-A: a\r"),
    ],
)
def test_a_header_line_that_is_none(line: bytes):
    """Also where many are lenient: line folding, bare CR or LF, white space before a colon."""
    assert (400, "malformed_request") == rejected(LINE + HOST + line + b"\r\n\r\n")
    assert (400, "malformed_request") == rejected(LINE + line + b"\r\n" + HOST + b"\r\n")


@pytest.mark.parametrize("value", [b"a\xe9b", b"\xff", b"a\tb", b'"\\"', b""])
def test_a_header_value_may_have_any_text(value: bytes):
    assert (b"x-a", value) in parsed(LINE + HOST + b"X-A: " + value + b"\r\n\r\n").headers


NO_LENGTHS = (b"", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 5", b"5_0", b"5.0", b"a", b"\x0b5", b"5;a")
LONG_LENGTHS = (b"9" * 19, b"9" * 5000, b"18446744073709551621")
NO_CODINGS = (b"", b",", b", chunked", b"chunked,", b'"chunked"', b"chunked;a=b", b"\x0bchunked")
CODINGS = (b"chunked", b"gzip", b"identity", b"")


@pytest.mark.parametrize(
    "lines",
    [
        *(b"Content-Length: " + value for value in NO_LENGTHS + LONG_LENGTHS),
        *(b"Content-Length: 5\r\nContent-Length: " + value for value in (b"5", b"6", b"")),
        *(b"Transfer-Encoding: " + value for value in NO_CODINGS),
        *(b"Transfer-Encoding: chunked, " + value for value in CODINGS),
        *(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: " + value for value in CODINGS),
        *(b"Content-Length: 5\r\nTransfer-Encoding: " + value for value in CODINGS),
        *(b"Transfer-Encoding: " + value + b"\r\nContent-Length: 5" for value in CODINGS),
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        b"Transfer-Encoding: chunked\r\nContent-Length : 5",
        b"Transfer-Encoding : chunked",
    ],
)
def test_framing_that_can_be_read_in_two_ways(lines: bytes):
    status, code = rejected(LINE + HOST + lines + b"\r\n\r\n")
    assert 400 == status
    assert code in ("invalid_framing", "malformed_request")


@pytest.mark.parametrize(
    "coding", [b"gzip", b"gzip, chunked", b"br", b"identity", b"xchunked", b"deflate,gzip", b"x"]
)
def test_transfer_codings_that_are_not_supported(coding: bytes):
    assert (501, "unsupported_transfer_coding") == rejected(
        LINE + HOST + b"Transfer-Encoding: " + coding + b"\r\n\r\n"
    )


@pytest.mark.parametrize("value", [b"chunked", b"CHUNKED", b"Chunked", b"\tchunked", b"chunked  "])
def test_chunked_is_supported(value: bytes):
    head = parsed(LINE + HOST + b"Transfer-Encoding: " + value + b"\r\n\r\n")
    assert (True, -1) == (head.chunked, head.content_length)


def test_http_1_0_has_no_transfer_coding():
    """RFC 9112, section 6.1: its framing is faulty."""
    assert (400, "invalid_framing") == rejected(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")


@pytest.mark.parametrize(
    "lines", [b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n", b"Host: a b\r\n", b"Host: \xff\r\n"]
)
def test_a_host_is_asked_for_once(lines: bytes):
    """RFC 9112, section 3.2."""
    assert (400, "invalid_host") == rejected(LINE + lines + b"\r\n")


def test_http_1_0_may_have_no_host_but_not_two():
    assert "/" == parsed(b"GET / HTTP/1.0\r\n\r\n").path
    assert (400, "invalid_host") == rejected(b"GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n")


@pytest.mark.parametrize("lines", [HOST, b"X-A: 1\r\n" + HOST])
def test_the_host_of_a_url_counts(lines: bytes):
    """RFC 9112, section 3.2.2."""
    head = parsed(b"GET http://other:99/b?c HTTP/1.1\r\n" + lines + b"\r\n")
    assert ("/b", b"c") == (head.path, head.query)
    assert [b"other:99"] == [value for name, value in head.headers if name == b"host"]


def test_the_host_of_a_url_counts_where_there_is_no_other():
    assert [(b"host", b"x")] == parsed(b"GET http://x HTTP/1.0\r\n\r\n").headers


def test_a_url_does_not_stand_in_for_the_host():
    assert (400, "invalid_host") == rejected(b"GET http://x/ HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        *((b"1.1", lines, True) for lines in (b"", b"Connection: keep-alive\r\n", b"Connection: x\r\n")),
        *((b"1.1", lines, False) for lines in (b"Connection: close\r\n", b"Connection: X , Close\r\n")),
        (b"1.1", b"Connection: close\r\nConnection: keep-alive\r\n", False),
        *(
            (b"1.0", lines, False)
            for lines in (b"", b"Connection: close\r\n", b"Connection: keep-alive, close\r\n")
        ),
        (b"1.0", b"Connection: close\r\nConnection: keep-alive\r\n", False),
        *((b"1.0", lines, True) for lines in (b"Connection: keep-alive\r\n", b"Connection: Keep-Alive\r\n")),
    ],
)
def test_how_long_a_connection_lasts(version: bytes, connection: bytes, keeps: bool):
    assert keeps is parsed(b"GET / HTTP/" + version + b"\r\nHost: x\r\n" + connection + b"\r\n").keep_alive


@pytest.mark.parametrize(
    ("version", "lines", "expects"),
    [
        (b"1.1", b"Expect: 100-continue\r\nContent-Length: 1\r\n", True),
        (b"1.1", b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", True),
        (b"1.1", b"Expect: x, 100-continue\r\nContent-Length: 1\r\n", True),
        (b"1.1", b"Expect: 100-continue\r\n", False),
        (b"1.1", b"Expect: 100-continue\r\nContent-Length: 0\r\n", False),
        (b"1.1", b"Expect: x\r\nContent-Length: 1\r\n", False),
        (b"1.0", b"Expect: 100-continue\r\nContent-Length: 1\r\n", False),
    ],
)
def test_who_waits_to_be_asked_for_a_body(version: bytes, lines: bytes, expects: bool):
    """RFC 9110, section 10.1.1: not HTTP/1.0, and not a request without a body."""
    assert (
        expects is parsed(b"POST / HTTP/" + version + b"\r\nHost: x\r\n" + lines + b"\r\n").expects_continue
    )


def test_header_lines_are_counted():
    many = b"a:b\r\n" * (MAX_FIELDS - 1)
    assert MAX_FIELDS == len(parsed(LINE + HOST + many + b"\r\n").headers)
    assert (431, "head_too_large") == rejected(LINE + HOST + many + b"a:b\r\n\r\n")


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"TLS/1.0, HTTP/1.1", b"x"])
def test_an_offer_to_upgrade_changes_nothing(upgrade: bytes):
    """RFC 9110, section 7.8: a server may ignore it."""
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + upgrade + b"\r\nHTTP2-Settings: AAMAAABk\r\n"
    )
    assert 5 == parsed(LINE + HOST + offer + b"Content-Length: 5\r\n\r\n").content_length
    assert parsed(LINE + HOST + offer + b"Transfer-Encoding: chunked\r\n\r\n").chunked


def test_what_was_understood_before_a_rejection_is_kept():
    """It decides how the error looks."""
    head = RequestHead()
    with pytest.raises(RequestRejected):
        head.parse(b"HEAD /endpoints/a?b HTTP/1.1\r\n\r\n")
    assert ("HEAD", b"/endpoints/a?b") == (head.method, head.target)


def test_many_different_requests_are_not_all_remembered():
    """Callers choose targets and hosts: what is remembered of them is bounded."""
    for number in range(3 * MAX_KNOWN):
        parsed(b"GET /%d HTTP/1.1\r\nHost: host-%d\r\n\r\n" % (number, number))
    assert max(len(known) for known in (head_module._lines, head_module._hosts)) <= MAX_KNOWN
    parsed(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert not [line for line in head_module._lines if len(line) > 1000]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_rejected(data: bytes):
    for head in (data, LINE + data, LINE + HOST + data):
        with contextlib.suppress(RequestRejected):
            assert parsed(head + b"\r\n\r\n").path
