"""What an upstream sends costs time and memory in proportion to its size, however it is made."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import orjson
import pytest

from tollway.provider import Call, HTTPProvider, Target, Task, UpstreamResponse, sse
from tollway.provider._error_words import text_of
from tollway.provider._merge import ChoiceParts
from tollway.provider._secrets import Redactor

CALL = Call(Task.CHAT, {"messages": [], "stream": True}, b"{}", stream=True)


class Plain(HTTPProvider):
    settings = ()
    base_url = "http://models.test"


def provider() -> Plain:
    return Plain(Target("e", Task.CHAT, "m", {}))


def cpu_s(work: Callable[[int], object], size: int) -> float:
    """Return the CPU time of some work of a size, the best of three."""
    times = []
    for _ in range(3):
        began_s = time.process_time()
        work(size)
        times.append(time.process_time() - began_s)
    return min(times)


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """Hold work of sixteen times the size to less than a quarter of what quadratic work would take."""
    small = max(cpu_s(work, size), 0.0005)
    assert cpu_s(work, 16 * size) < 64 * small


def chunk(delta: dict[str, object], index: int = 0, finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + orjson.dumps({"id": "x", "model": "m", "choices": [choice]}) + b"\n\n"


@pytest.mark.parametrize(
    "unit", [b"<title>", b"<title ", b"<script>", b"<style ", b"<", b"</", b"&#9", b"*", b"a*"]
)
def test_error_pages(unit: bytes):
    """A page of anything is read in linear time."""
    assert_linear(lambda size: text_of(b"<x" + unit * (size // len(unit))), 4_000)


@pytest.mark.parametrize("unit", ["a", "-", "*", "a*", "a**", "ab-***"])
def test_hiding_starred_keys(unit: str):
    redact = Redactor(["sk-abcdefghij"])
    assert_linear(lambda size: redact(unit * (size // len(unit))), 4_000)


@pytest.mark.parametrize("line", [b"data: x\n", b"data: x\r\n", b": x\n", b"x"])
def test_events_that_come_byte_by_byte(line: bytes):
    """An event under way is not read again with every byte that comes."""

    def feed(size: int) -> None:
        decoder = provider().stream(CALL)
        decoder.feed(b"data: {}\n")
        for byte in line * (size // len(line)):
            decoder.feed(bytes((byte,)))

    assert_linear(feed, 1_000)


def test_choices_of_a_stream_are_bounded():
    """An upstream that goes on with new choices is cut off: each would be remembered."""
    decoder = provider().stream(CALL)
    for index in range(200):
        decoder.feed(chunk({"content": "a"}, index, "stop"))
    assert decoder.error is not None
    assert "more choices" in decoder.error.message
    assert len(decoder.info.finish_reasons) <= 128


def test_many_choices_that_were_asked_for_are_taken():
    wanted = Call(Task.CHAT, {"messages": [], "n": 3000}, b"{}", stream=True)
    decoder = provider().stream(wanted)
    decoder.feed(b"".join(chunk({"content": "a"}, index, "stop") for index in range(3000)) + sse.DONE)
    assert (True, None, 128) == (decoder.complete, decoder.error, len(decoder.info.finish_reasons))


def test_texts_of_a_stream_are_joined_in_linear_time():
    def join(size: int) -> None:
        parts = ChoiceParts()
        for _ in range(size):
            parts.add(
                {"delta": {"content": "words " * 20, "tool_calls": [{"function": {"arguments": "{}"}}]}}
            )
        parts.whole()

    assert_linear(join, 1_000)


def test_gaps_between_tool_calls_take_no_memory():
    """An index far ahead of the last makes one call, not all those between."""
    parts = ChoiceParts()
    tracemalloc.start()
    for number in range(500):
        parts.add({"delta": {"tool_calls": [{"index": number * 120 % 128 + number, "id": "x"}]}})
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 2_000_000


def test_event_of_many_lines_is_refused():
    """A line of one byte takes many times that in memory."""
    parser = sse.Parser()
    with pytest.raises(sse.EventTooLargeError, match="100000 lines"):
        parser.feed(b":\n" * 100_001 + b"\n")
    assert 1 == len(sse.Parser().feed(b":\n" * 99_998 + b"\n"))


def test_events_before_one_that_is_too_large_are_passed_on():
    decoder = provider().stream(CALL)
    good = chunk({"content": "a"})
    assert good == decoder.feed(good + b":\n" * 100_001 + b"\n")
    assert decoder.error is not None


@pytest.mark.parametrize("depth", [100, 500, 1000, 1020])
@pytest.mark.parametrize(
    "key", ["loc", "status", "code", "message", "type", "param", "detail", "error", "metadata"]
)
def test_deep_errors_are_read(depth: int, key: str):
    """JSON as deep as it parses gives an error of the contract, wherever it stands."""
    deep = b"[" * depth + b"]" * depth
    for body in (b'{"detail":[{"%b":%b,"msg":"x"}]}', b'{"error":{"%b":%b,"message":"x"}}', b'{"%b":%b}'):
        response = UpstreamResponse(422, {}, body % (key.encode(), deep))
        assert 422 == provider().error(response).status
        stream = provider().stream(CALL)
        stream.feed(b"data: " + response.body + b"\n\n")
        stream.end()
        assert stream.error is not None


def test_entities_without_end_are_read():
    """A number of more digits than Python converts is no reason to fail."""
    page = b"<p>no model &amp; no key &#" + b"9" * 60_000 + b";</p>"
    assert text_of(page).startswith("no model & no key")
