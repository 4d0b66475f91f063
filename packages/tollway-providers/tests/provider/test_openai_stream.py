"""What makes a stream complete, when its first token has come, and what may stand in its place."""

import json
from typing import Any

import pytest

from tollway.provider import Call, ProviderError, StreamError, Task, UpstreamResponse, sse
from tollway.provider._openai_stream import OpenAIStream

from .test_openai_errors import PROVIDER

DONE = sse.DONE


def event(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return sse.event(json.dumps({"id": "x", "model": "m", "choices": [choice], **more}).encode())


HI, STOP = event({"content": "Hi"}), event(finish="stop")


def opened(**payload: Any) -> OpenAIStream:
    return OpenAIStream(Call(Task.CHAT, payload, b"", stream=True), PROVIDER.redact)


def read(*pieces: bytes, **payload: Any) -> tuple[bytes, OpenAIStream]:
    decoder = opened(**payload)
    return b"".join([decoder.feed(piece) for piece in pieces]) + decoder.end(), decoder


class TestCompletion:
    @pytest.mark.parametrize("end", [b"", b": bye\n\n", b"data: [DONE]", b"data: [DONE]\n", b"data: [DO"])
    def test_a_finished_answer_is_complete_whatever_becomes_of_its_terminator(self, end: bytes) -> None:
        out, decoder = read(HI + STOP + end)

        assert decoder.complete
        assert out.endswith(DONE)

    def test_a_last_event_that_lacks_only_its_blank_line_counts(self) -> None:
        out, decoder = read(HI + STOP.rstrip())

        assert decoder.complete
        assert HI + STOP + DONE == out

    def test_half_an_event_does_not_count(self) -> None:
        out, decoder = read(HI + STOP[:-10])

        assert isinstance(decoder.error, StreamError)
        assert HI == out

    def test_done_without_any_answer_is_an_error(self) -> None:
        out, decoder = read(DONE)

        assert (b"", False) == (out, decoder.complete)
        assert decoder.error is not None

    def test_every_prompts_every_choice_has_to_finish(self) -> None:
        assert not read(HI + STOP, n=2)[1].complete
        assert read(HI + STOP + STOP.replace(b'"index": 0', b'"index": 1'), n=2)[1].complete

    def test_what_the_upstream_said_before_it_hung_up_is_quoted(self) -> None:
        _, decoder = read(HI, b"worker 3 was killed\n\n")

        assert "the model's stream ended before the answer was finished: worker 3 was killed" == str(
            decoder.error
        )


class TestFirstToken:
    @pytest.mark.parametrize(
        "first",
        [
            b": processing\n\n",
            b"\n\n",
            event({"role": "assistant"}),
            event({"role": "assistant", "content": ""}),
            event({"role": "assistant", "content": None, "tool_calls": []}),
            sse.event(b'{"choices": [], "prompt_filter_results": [{}]}'),
        ],
    )
    def test_a_comment_a_role_and_an_empty_chunk_are_no_token(self, first: bytes) -> None:
        decoder = opened()
        decoder.feed(first)

        assert decoder.info.token_seen is False

    @pytest.mark.parametrize(
        "first",
        [
            HI,
            STOP,
            event({"role": "assistant", "content": "Hi"}),
            event({"reasoning_content": "hm"}),
            event({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}),
            event({"refusal": "no"}),
            sse.event(b'{"choices": [{"index": 0, "text": "Hi"}]}'),
        ],
    )
    def test_text_thinking_a_call_and_the_finish_are_a_token(self, first: bytes) -> None:
        decoder = opened()
        decoder.feed(b": processing\n\n" + first)

        assert decoder.info.token_seen is True


ANSWER = {
    "id": "x",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "system_fingerprint": "fp",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hi",
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"error": 1}'}}
                ],
            },
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7},
}


class TestBodies:
    @pytest.mark.parametrize("indent", [None, 2])
    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_a_whole_answer_in_a_streams_place_is_streamed(self, indent: int | None, size: int) -> None:
        body = b"\n" + json.dumps(ANSWER, indent=indent).encode()

        out, decoder = read(*[body[at : at + size] for at in range(0, len(body), size)])

        assert decoder.complete
        assert (5, "m", ("stop",)) == (
            decoder.info.usage and decoder.info.usage.input_tokens,
            decoder.info.model,
            decoder.info.finish_reasons,
        )
        again = PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, out))
        assert json.loads(again.body)["choices"][0]["message"] == ANSWER["choices"][0]["message"]  # type: ignore[index]  # it is there

    def test_a_body_beyond_all_measure_is_not_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 64)
        _, decoder = read(b"{" + b" " * 99)

        assert isinstance(decoder.error, StreamError)

    @pytest.mark.parametrize(
        "start", [b"hello: you\n\n", b"retry: 5\n\n", b"\n\n\n", b"event: x\n", b"id: 1\n"]
    )
    @pytest.mark.parametrize("size", [1, 1000])
    def test_odd_lines_before_the_first_event_do_not_hide_it(self, start: bytes, size: int) -> None:
        stream = start + HI + STOP + DONE
        out, decoder = read(*[stream[at : at + size] for at in range(0, len(stream), size)])

        assert decoder.complete
        assert out.endswith(HI + STOP + DONE)

    @pytest.mark.parametrize(
        "text", [b"upstream connect error", b"datagram lost: 3", b"no\n\n", b"eventually"]
    )
    def test_text_in_a_streams_place_is_an_error_and_nothing_is_passed_on(self, text: bytes) -> None:
        out, decoder = read(text)

        assert b"" == out
        assert decoder.error is not None
        assert text.decode().strip() in decoder.error.message

    def test_a_byte_order_mark_is_no_body(self) -> None:
        out, decoder = read(b"\xef", b"\xbb\xbf", HI + STOP + DONE)

        assert HI + STOP + DONE == out
        assert decoder.complete


class TestStreamForAWholeAnswer:
    def whole(self, stream: bytes) -> Any:
        answer = PROVIDER.response(Call(Task.CHAT, {}, b""), UpstreamResponse(200, {}, stream))
        return json.loads(answer.body)

    def test_its_pieces_are_joined(self) -> None:
        call = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
        more = {"index": 0, "function": {"arguments": "{}"}}
        usage = sse.event(b'{"id": "x", "model": "m", "choices": [], "usage": {"prompt_tokens": 5}}')
        said = self.whole(
            event({"role": "assistant", "content": "H"}, system_fingerprint="fp")
            + event({"content": "i", "tool_calls": [call]})
            + event({"tool_calls": [more]})
            + STOP
            + usage
            + DONE
        )

        assert ("chat.completion", "fp", 5) == (
            said["object"],
            said["system_fingerprint"],
            said["usage"]["prompt_tokens"],
        )
        (choice,) = said["choices"]
        assert "stop" == choice["finish_reason"]
        assert "Hi" == choice["message"]["content"]
        assert "{}" == choice["message"]["tool_calls"][0]["function"]["arguments"]

    @pytest.mark.parametrize(
        "stream",
        [
            HI,
            DONE,
            event({"tool_calls": [{"index": 10**9}]}) + STOP,
            event({"tool_calls": [{"index": -1}]}) + STOP,
            event({"tool_calls": ["f"]}) + STOP,
        ],
    )
    def test_one_that_does_not_add_up_is_an_error(self, stream: bytes) -> None:
        with pytest.raises(ProviderError):
            self.whole(stream)


def usage_chunk(**more: Any) -> bytes:
    body = {"id": "x", "model": "m", "choices": [], "usage": {"prompt_tokens": 5}, **more}
    return sse.event(json.dumps(body).encode())


class TestUsage:
    def test_a_chunk_of_nothing_but_usage_is_hidden_from_who_did_not_ask(self) -> None:
        out, decoder = read(HI + STOP + usage_chunk(object="chat.completion.chunk", created=1) + DONE)

        assert HI + STOP + DONE == out
        assert decoder.info.usage

    @pytest.mark.parametrize("more", [{"timings": {"ms": 1}}, {"citations": ["http://a"]}, {"x_groq": {}}])
    def test_a_chunk_that_says_more_than_usage_is_passed_on(self, more: dict[str, Any]) -> None:
        last = usage_chunk(**more)

        assert HI + STOP + last + DONE == read(HI + STOP + last + DONE)[0]

    def test_the_usage_is_shown_to_who_asks_as_with_openrouter(self) -> None:
        last = usage_chunk()

        assert HI + STOP + last + DONE == read(HI + STOP + last + DONE, usage={"include": True})[0]
