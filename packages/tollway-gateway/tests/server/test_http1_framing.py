"""Where requests and answers end, over real sockets: nobody can make the server take one for two."""

from __future__ import annotations

from typing import Any

import pytest

BODY = b'{"a": 1}'
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADES = {
    "curl": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "anything": b"Connection: upgrade\r\nUpgrade: IRC/6.9, RTA/x11\r\n",
    "without the connection option": b"Upgrade: h2c\r\n",
}


def post(lines: bytes = b"", body: bytes = BODY, version: bytes = b"1.1") -> bytes:
    head = b"POST /a HTTP/%b\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (version, lines, len(body))
    return head + body


def post_in_chunks(lines: bytes = b"", body: bytes = BODY, trailers: bytes = b"") -> bytes:
    head = b"POST /a HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n" % lines
    return head + b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in body) + b"0\r\n%b\r\n" % trailers


def pieces(data: bytes, how: str) -> list[bytes]:
    head = data.index(b"\r\n\r\n") + 4
    if how == "head, then body":
        return [data[:head], data[head:]]
    return [bytes([one]) for one in data] if how == "byte by byte" else [data]


HOW = ["at once", "head, then body", "byte by byte"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("frame", [post, post_in_chunks])
@pytest.mark.parametrize("upgrade", [b"", *UPGRADES.values()], ids=["no offer", *UPGRADES])
def test_a_body_arrives_and_the_next_request_is_what_follows_it(
    echoing, echo, upgrade: bytes, frame: Any, how: str
):
    """Also behind an offer to speak another protocol, which is ignored (RFC 9110, section 7.8)."""
    caller = echoing.connect()
    data = frame(upgrade) + NEXT
    for piece in pieces(data, how):
        caller.send(piece)
    answers = [caller.answer() for _ in range(2)]
    assert [200, 200] == [answer.status for answer in answers]
    assert all(b"upgrade" not in answer.headers for answer in answers)
    assert [("POST", "/a", BODY), ("GET", "/next", b"")] == echo.seen


@pytest.mark.parametrize("frame", [post, post_in_chunks])
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_a_body_that_is_a_request_is_a_body(echoing, echo, upgrade: bytes, frame: Any):
    """What a proxy in front took for a body is never asked as a request."""
    smuggled = b"\r\n\r\nDELETE /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    caller = echoing.connect()
    for piece in pieces(frame(upgrade, smuggled) + NEXT, "head, then body"):
        caller.send(piece)
    assert [200, 200] == [caller.answer().status for _ in range(2)]
    assert [("POST", "/a", smuggled), ("GET", "/next", b"")] == echo.seen


def test_an_offer_without_a_body_is_a_request_as_any(echoing, echo):
    caller = echoing.connect(b"GET /a HTTP/1.1\r\nHost: x\r\n" + UPGRADES["websocket"] + b"\r\n" + NEXT)
    assert [200, 200] == [caller.answer().status for _ in range(2)]
    assert ["/a", "/next"] == [path for _, path, _ in echo.seen]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 501),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 505),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (post(b"Transfer-Encoding: chunked\r\n"), 400),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        (b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n" b"Host: x\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400),
        (b"\x05\x01\0", 400),
        (b"\0" * 100, 400),
        (b"hello\n", 400),
    ],
)  # fmt: skip
def test_what_is_not_understood_ends_the_connection(echoing, echo, data: bytes, status: int):
    """At once, also where no head ever ends; nothing that follows is asked."""
    caller = echoing.connect(data)
    answer = caller.answer()
    assert (status, b"close") == (answer.status, answer.headers[b"connection"])
    caller.send(NEXT)
    assert b"" == caller.rest()
    assert [] == echo.seen


@pytest.mark.parametrize(
    "garbage", [b"GARBAGE\0\r\n\r\n", b"\xff" * 10, b"GET / HTTP/1.1\r\n\r\n", b"\n", b"x\r\n"]
)
@pytest.mark.parametrize("how", HOW)
def test_a_good_request_is_answered_whatever_follows_it(echoing, garbage: bytes, how: str):
    caller = echoing.connect()
    for piece in pieces(post() + garbage, how):
        caller.send(piece)
    good, bad = caller.answer(), caller.answer()
    assert (200, 400, b"close") == (good.status, bad.status, bad.headers[b"connection"])
    assert b"" == caller.rest()


@pytest.mark.parametrize("chunk", [b"x\r\n", b"5\r\nhelloXX", b"5\nhello", b"-1\r\n", b"f" * 16 + b"\r\n"])
@pytest.mark.parametrize("first", [b"", b"1\r\na\r\n"])
def test_a_body_that_is_not_understood_is_rejected(echoing, echo, first: bytes, chunk: bytes):
    """The application never sees it as a whole body; what follows is no request."""
    caller = echoing.connect(b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    caller.send(first)
    caller.send(chunk + NEXT)
    answer = caller.answer()
    assert (400, "invalid_chunk") == (answer.status, answer.json["error"]["code"])
    assert b"" == caller.rest()
    assert [] == echo.seen


@pytest.mark.parametrize("empty", [b"\r\n", b"\r\n\r\n\r\n"])
def test_empty_lines_before_a_request_are_ignored(echoing, echo, empty: bytes):
    """RFC 9112, section 2.2. Also between requests, and in a packet of their own."""
    caller = echoing.connect(empty + post() + empty + NEXT)
    assert [200, 200] == [caller.answer().status for _ in range(2)]
    caller.send(empty)
    caller.send(NEXT)
    assert 200 == caller.answer().status


def test_trailers_are_dropped(echoing):
    answer = echoing.ask(post_in_chunks(trailers=b"X-A: 1\r\nContent-Length: 5\r\nHost: y\r\n"))
    assert BODY.decode() == answer.json["body"]
    assert ["host", "transfer-encoding"] == [name for name, _ in answer.json["headers"]]


def streaming(*events: bytes, headers: Any = (), status: int = 200) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for event in events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body"})

    return app


KEEP = b"Connection: keep-alive\r\n"


@pytest.mark.parametrize("lines", [b"", KEEP])
@pytest.mark.parametrize("headers", [[], [(b"transfer-encoding", b"chunked")]])
def test_a_stream_for_http_1_0_ends_with_its_connection(serve, lines: bytes, headers: Any):
    """It knows no chunks: RFC 9112, section 6.1."""
    caller = serve(streaming(b"data: 1\n\n", b"data: 2\n\n", headers=headers)).connect(
        post(lines, version=b"1.0")
    )
    answer = caller.answer()
    assert (b"data: 1\n\ndata: 2\n\n", b"close") == (answer.body, answer.headers[b"connection"])
    assert b"transfer-encoding" not in answer.headers


def test_http_1_0_keeps_a_connection_only_if_it_asks(echoing):
    caller = echoing.connect(post(KEEP, version=b"1.0"))
    first = caller.answer()
    assert (b"keep-alive", "1.0") == (first.headers[b"connection"], first.json["version"])
    caller.send(post(version=b"1.0"))
    assert b"close" == caller.answer().headers[b"connection"]
    assert b"" == caller.rest()


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("headers", [[], [(b"content-length", b"5")], [(b"transfer-encoding", b"chunked")]])
def test_answers_that_have_no_body(serve, status: int, headers: Any):
    """RFC 9110, sections 15.3.5 and 15.4.5: whatever the application says; the connection stays in step."""
    caller = serve(streaming(b"hello", headers=headers, status=status)).connect(NEXT + NEXT)
    for _ in range(2):
        answer = caller.answer()
        assert status == answer.status
        assert b"transfer-encoding" not in answer.headers
        assert status == 304 or b"content-length" not in answer.headers


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"5")]])
def test_the_answer_to_head_says_how_long_it_would_be(serve, headers: Any):
    caller = serve(streaming(b"hello", headers=headers)).connect(NEXT.replace(b"GET", b"HEAD") + NEXT)
    answer = caller.answer(to_head=True)
    assert dict(headers).get(b"content-length") == answer.headers.get(b"content-length")
    assert b"hello" == caller.answer().body


EXPECT = b"Expect: 100-continue\r\n"


def test_whoever_waits_to_be_asked_is_not_when_the_body_is_there(echoing):
    caller = echoing.connect(post(EXPECT))
    assert 200 == caller.answer().status


def test_http_1_0_is_not_asked_to_go_on(echoing):
    caller = echoing.connect(post(EXPECT, version=b"1.0")[: -len(BODY)])
    echoing.exchange()
    caller.send(BODY)
    assert 200 == caller.answer().status


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue", b"x, 100-continue"])
def test_an_answer_without_the_body_ends_the_connection_of_who_waits_to_be_asked(serve, value: bytes):
    """Whether its body still comes nobody knows."""
    caller = serve(streaming(b"no", status=403)).connect(post(b"Expect: " + value + b"\r\n")[: -len(BODY)])
    answer = caller.answer()
    assert (403, b"close") == (answer.status, answer.headers[b"connection"])
    assert b"" == caller.rest()
