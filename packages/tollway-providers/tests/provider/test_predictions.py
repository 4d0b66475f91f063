import base64
import json
import struct
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Answer, Call, PredictionError, Target, Task, Usage, predictions, sse

FIXED: dict[str, Any] = {"new_id": lambda: "1", "now_s": lambda: 1_700_000_000}
HELLO = {"role": "assistant", "content": "hello"}


def call(task: Task = Task.CHAT, **payload: Any) -> Call:
    return Call(task, payload, json.dumps(payload).encode(), stream=bool(payload.get("stream")))


def target(task: Task = Task.CHAT) -> Target:
    return Target("e", task, "m")


def whole(prediction: Any, task: Task = Task.CHAT, **payload: Any) -> dict[str, Any]:
    answer = predictions.answer_from(prediction, call(task, **payload), target(task), **FIXED)
    return json.loads(answer.body)


def events_of(stream: bytes) -> list[Any]:
    events = [event.data or b"" for event in sse.Parser().feed(stream)]
    assert b"[DONE]" == events.pop()
    return [json.loads(data) for data in events]


def stream(pieces: list[Any], task: Task = Task.CHAT, **payload: Any) -> list[Any]:
    encoder = predictions.ChunkEncoder(call(task, stream=True, **payload), target(task), **FIXED)
    return events_of(b"".join(map(encoder.feed, pieces)) + encoder.end())


class TestAnswerFrom:
    def test_text_is_a_whole_chat_answer(self) -> None:
        expected = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, "message": HELLO}],
        }

        assert expected == whole("hello")

    def test_text_is_a_whole_completion(self) -> None:
        body = whole("hello", Task.COMPLETIONS)

        assert ("cmpl-1", "text_completion") == (body["id"], body["object"])
        assert [{"index": 0, "logprobs": None, "finish_reason": "stop", "text": "hello"}] == body["choices"]

    @pytest.mark.parametrize(
        "partial",
        [
            {"content": "hello"},
            {"text": "hello"},
            {"message": "hello"},
            {"message": {"content": "hello"}},
            {"choices": ["hello"]},
            {"choices": [{"message": {"content": "hello"}}]},
        ],
    )
    def test_a_part_of_an_answer_is_completed(self, partial: dict[str, Any]) -> None:
        assert [HELLO] == [choice["message"] for choice in whole(partial)["choices"]]
        assert ["hello"] == [choice["text"] for choice in whole(partial, Task.COMPLETIONS)["choices"]]

    def test_what_the_prediction_says_wins_over_what_is_filled_in(self) -> None:
        said = {
            "id": "x",
            "model": "n",
            "choices": [{"index": 1, "finish_reason": "length", "message": HELLO}],
        }

        body = whole(said)

        assert ("x", "n", "length", 1) == (
            body["id"],
            body["model"],
            body["choices"][0]["finish_reason"],
            body["choices"][0]["index"],
        )

    def test_tool_calls_finish_a_choice_as_tool_calls(self) -> None:
        body = whole(
            {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}
        )

        assert "tool_calls" == body["choices"][0]["finish_reason"]
        assert body["choices"][0]["message"]["content"] is None

    def test_the_info_of_an_answer_is_read_from_it(self) -> None:
        said = {"content": "a", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}

        info = predictions.answer_from(said, call(), target(), **FIXED).info

        assert ("chatcmpl-1", "m", Usage(3, 1), ("stop",)) == (
            info.id,
            info.model,
            info.usage,
            info.finish_reasons,
        )

    def test_the_info_of_an_answer_may_be_in_subtypes(self) -> None:
        """Python has more than JSON's types: an enumeration of texts or of numbers is as good."""

        class Reason(StrEnum):
            LENGTH = "length"

        class Tokens(IntEnum):
            THREE = 3

        said = {
            "choices": [{"message": HELLO, "finish_reason": Reason.LENGTH}],
            "usage": {"prompt_tokens": Tokens.THREE},
        }

        info = predictions.answer_from(said, call(), target(), **FIXED).info

        assert (Usage(3), ("length",)) == (info.usage, info.finish_reasons)

    @pytest.mark.parametrize(
        "bad", [None, 3, [], ["a"], {}, {"choices": []}, {"choices": [3]}, {"content": object()}]
    )
    def test_what_is_no_answer_is_refused(self, bad: Any) -> None:
        with pytest.raises(PredictionError):
            whole(bad)

    def test_a_reported_error_is_raised_with_its_message(self) -> None:
        with pytest.raises(PredictionError, match="out of memory"):
            whole({"error": {"message": "out of memory"}})


class TestEmbeddings:
    @pytest.mark.parametrize(
        "said",
        [
            [1, 0.5],
            [[1.0, 0.5]],
            ((1.0, 0.5),),
            {"embedding": [1.0, 0.5]},
            {"embeddings": [[1.0, 0.5]]},
            {"data": [{"embedding": [1.0, 0.5], "index": 0}]},
        ],
    )
    def test_vectors_in_any_form_are_an_answer(self, said: Any) -> None:
        body = whole(said, Task.EMBEDDINGS)

        assert ("list", "m") == (body["object"], body["model"])
        assert [{"object": "embedding", "index": 0, "embedding": [1.0, 0.5]}] == body["data"]

    def test_base64_is_given_when_asked_for(self) -> None:
        body = whole([1, 0.5], Task.EMBEDDINGS, encoding_format="base64")

        assert struct.pack("<2f", 1, 0.5) == base64.b64decode(body["data"][0]["embedding"])

    @pytest.mark.parametrize("bad", ["text", [], {}, [["a"]], [None], {"data": 3}])
    def test_what_is_no_vector_is_refused(self, bad: Any) -> None:
        with pytest.raises(PredictionError):
            whole(bad, Task.EMBEDDINGS)


class TestChunkEncoder:
    def test_text_pieces_are_chunks_with_one_role_and_one_finish(self) -> None:
        choices = [chunk["choices"][0] for chunk in stream(["he", "llo"])]

        assert [{"role": "assistant", "content": "he"}, {"content": "llo"}, {}] == [
            c["delta"] for c in choices
        ]
        assert [None, None, "stop"] == [c["finish_reason"] for c in choices]

    def test_a_stream_starts_from_text_even_where_the_model_says_null(self) -> None:
        chunks = stream([{"delta": {"role": "assistant", "content": None}}, "a"])

        assert {"role": "assistant", "content": ""} == chunks[0]["choices"][0]["delta"]

    def test_every_chunk_of_a_stream_has_the_same_head(self) -> None:
        chunks = stream(["he", "llo"])

        heads = {json.dumps({k: v for k, v in chunk.items() if k != "choices"}) for chunk in chunks}

        assert 1 == len(heads)
        assert ("chatcmpl-1", "chat.completion.chunk", "m") == tuple(
            chunks[0][k] for k in ("id", "object", "model")
        )

    def test_completions_stream_text(self) -> None:
        chunks = stream(["he", {"text": "llo"}], Task.COMPLETIONS)

        assert ["he", "llo", ""] == [chunk["choices"][0]["text"] for chunk in chunks]

    def test_chunks_of_openais_pass_with_their_own_head_and_finish(self) -> None:
        first = {"id": "x", "model": "n", "choices": [{"index": 0, "delta": {"content": "a"}}]}
        last = {"id": "x", "model": "n", "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}

        chunks = stream([first, last])

        assert ["x", "x"] == [chunk["id"] for chunk in chunks]
        assert "length" == chunks[-1]["choices"][0]["finish_reason"]

    def test_usage_is_counted_always_and_sent_only_when_asked_for(self) -> None:
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        encoder = predictions.ChunkEncoder(call(stream=True), target(), **FIXED)
        quiet = encoder.feed("a") + encoder.feed({"usage": usage}) + encoder.end()
        asked = stream(["a", {"usage": usage}], stream_options={"include_usage": True})

        assert Usage(3, 2) == encoder.info.usage
        assert b"usage" not in quiet
        assert ([], usage) == (asked[-1]["choices"], asked[-1]["usage"])

    def test_a_stream_of_nothing_is_an_empty_answer(self) -> None:
        assert [("", "stop")] == [
            (c["choices"][0]["delta"]["content"], c["choices"][0]["finish_reason"]) for c in stream([])
        ]

    @pytest.mark.parametrize("bad", [3, None, b"bytes", {"choices": [3]}, {"error": "no"}])
    def test_what_is_no_chunk_is_refused(self, bad: Any) -> None:
        with pytest.raises(PredictionError):
            stream([bad])


TOOL_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


class TestCollect:
    def test_text_pieces_are_put_together(self) -> None:
        body = json.loads(predictions.collect(["he", "llo"], call(), target(), **FIXED).body)

        assert whole("hello") == body

    def test_tool_calls_are_put_together_by_index(self) -> None:
        pieces = [
            {
                "tool_calls": [
                    {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
                ]
            },
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
            {"finish_reason": "tool_calls"},
        ]

        body = json.loads(predictions.collect(pieces, call(), target(), **FIXED).body)

        assert [TOOL_CALL] == body["choices"][0]["message"]["tool_calls"]
        assert "tool_calls" == body["choices"][0]["finish_reason"]

    def test_usage_is_kept(self) -> None:
        usage = {"prompt_tokens": 3, "completion_tokens": 2}

        answer = predictions.collect(["a", {"usage": usage}], call(), target(), **FIXED)

        assert usage == json.loads(answer.body)["usage"]
        assert Usage(3, 2) == answer.info.usage

    @given(st.lists(st.text(), max_size=5))
    def test_no_text_is_lost(self, pieces: list[str]) -> None:
        body = json.loads(predictions.collect(pieces, call(), target(), **FIXED).body)

        assert "".join(pieces) == body["choices"][0]["message"]["content"]


class TestStreamOf:
    @pytest.mark.parametrize("task", [Task.CHAT, Task.COMPLETIONS])
    def test_a_whole_answer_survives_being_streamed_and_collected(self, task: Task) -> None:
        said: Any = {"choices": ["a", "b"], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
        answer: Answer = predictions.answer_from(said, call(task), target(task), **FIXED)
        asked = call(task, stream=True, stream_options={"include_usage": True})

        chunks = events_of(predictions.stream_of(answer, asked))
        back = predictions.collect(chunks, call(task), target(task), **FIXED)

        assert json.loads(answer.body) == json.loads(back.body)

    def test_tool_calls_survive(self) -> None:
        answer = predictions.answer_from({"tool_calls": [TOOL_CALL]}, call(), target(), **FIXED)

        back = predictions.collect(
            events_of(predictions.stream_of(answer, call(stream=True))), call(), target(), **FIXED
        )

        assert [TOOL_CALL] == json.loads(back.body)["choices"][0]["message"]["tool_calls"]

    @pytest.mark.parametrize("calls", [5, "x", {"a": 1}, [5], [None], [TOOL_CALL, "x"]])
    def test_tool_calls_that_are_none_are_the_predicts_fault(self, calls: Any) -> None:
        answer = predictions.answer_from({"tool_calls": calls}, call(), target(), **FIXED)
        with pytest.raises(PredictionError, match="tool calls"):
            predictions.stream_of(answer, call(stream=True))
