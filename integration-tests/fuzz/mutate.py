"""Small random changes to good input; with the same generator the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

TOKENS: Sequence[bytes] = (
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\t", b",", b";", b"\xff", b"\xef\xbb\xbf"),
    *(b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding:\r\n"),
    *(b"Upgrade: h2c\r\n", b"Connection: upgrade\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n"),
    *(b"Host: \xff\r\n", b"Host: a\r\n", b"HTTP/1.0", b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    *(b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"1;x=y\r\n", b"data: ", b"data:[DONE]\n\n", b"event: error\n"),
    *(b"null", b"1e999", b"NaN", b"-Infinity", b"\\ud800", b"[" * 600, b'{"a":' * 600, b'"error":{}', b"{}"),
    *(b"!!python/object:os.system {}", b"&a [*a]", b"<<: *a", b"? ", b"- ", b"'", b'"', b"$HOME", b"%00"),
    *(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 100 Continue\r\n\r\n", b"\x1f\x8b\x08"),
)
"""What parsers have stumbled over."""

VALUES: Sequence[Any] = (
    *(None, True, False, 0, -1, 2**63, 2**64, 1e308, "", "\0", "\ud7ff", "a" * 5000, [], {}, [[]], [None]),
    *({"error": {"message": "x", "code": 429}}, {"type": "error"}, [{"text": 5}], {"index": 10**9}, "[DONE]"),
)


def mutated(data: bytes, random: Random, most: int = 4) -> bytes:
    """Return bytes with one to `most` changes."""
    changed = bytearray(data)
    for _ in range(random.randint(1, most)):
        random.choice(_CHANGES)(changed, random)
    return bytes(changed)


def _place(data: bytearray, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _insert(data: bytearray, random: Random) -> None:
    at = _place(data, random)
    data[at:at] = random.choice(TOKENS)


def _overwrite(data: bytearray, random: Random) -> None:
    at, token = _place(data, random), random.choice(TOKENS)
    data[at : at + len(token)] = token


def _delete(data: bytearray, random: Random) -> None:
    at = _place(data, random)
    del data[at : at + random.choice((1, 2, 8, 64))]


def _repeat(data: bytearray, random: Random) -> None:
    at = _place(data, random)
    piece = data[at : at + random.choice((1, 4, 32, 256))]
    data[at:at] = bytes(piece) * random.choice((1, 2, 20))


def _truncate(data: bytearray, random: Random) -> None:
    del data[_place(data, random) :]


_CHANGES: Sequence[Callable[[bytearray, Random], None]] = (
    *(_flip, _insert, _insert, _overwrite, _delete, _repeat, _truncate),
)


def mutated_value(value: Any, random: Random) -> Any:
    """Return a JSON value in which one place is something else, is gone, or is there twice."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        key = random.choice(list(value))
        changed = dict(value)
        if random.random() < 0.1:
            del changed[key]
        else:
            changed[key] = mutated_value(value[key], random)
        return changed
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], mutated_value(value[at], random), *value[at + random.randrange(2) :]]
    return random.choice(VALUES)


def pieces(data: bytes, random: Random) -> list[bytes]:
    """Return bytes cut at random places."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 1, 3, 10))))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
