"""The rules of OpenAI's dialect, which every HTTP provider has by default."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import (
    Call,
    HTTPProvider,
    ProviderError,
    ResponseError,
    Setting,
    StreamError,
    Target,
    Task,
    UpstreamError,
    UpstreamResponse,
    Usage,
)

KEY = "sk-a-long-and-secret-key"
NOW_S = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


class Acme(HTTPProvider):
    base_url = "https://acme.test/v1/"
    key_setting = "api_key"
    settings = (Setting("api_key", "a key", required=True, secret=True),)

    def now_s(self) -> float:
        return NOW_S


def acme(task: Task = Task.CHAT) -> Acme:
    return Acme(Target("e", task, "big", {"api_key": KEY}))


def call(task: Task = Task.CHAT, **payload: Any) -> Call:
    return Call(task, payload, json.dumps(payload).encode(), stream=bool(payload.get("stream")))


class TestRequest:
    @pytest.mark.parametrize(
        ("task", "path"),
        [(Task.CHAT, "chat/completions"), (Task.COMPLETIONS, "completions"), (Task.EMBEDDINGS, "embeddings")],
    )
    def test_each_task_has_its_path_below_the_base_url(self, task: Task, path: str) -> None:
        assert f"https://acme.test/v1/{path}" == acme(task).request(call(task)).url

    def test_the_key_is_a_bearer_token(self) -> None:
        headers = dict(acme().request(call()).headers)

        assert {"authorization": f"Bearer {KEY}", "content-type": "application/json"} == headers

    def test_the_model_is_the_targets_and_the_rest_is_the_callers(self) -> None:
        body = acme().request(call(model="endpoint", messages=[], custom={"a": 1})).body

        assert {"model": "big", "messages": [], "custom": {"a": 1}} == json.loads(body)

    def test_bytes_that_need_no_change_are_sent_as_they_came(self) -> None:
        asked = call(model="big", messages=[])

        assert asked.body is acme().request(asked).body

    def test_a_stream_asks_for_usage_unless_the_caller_decided(self) -> None:
        bodies = [
            json.loads(acme().request(call(stream=True, stream_options=options)).body)["stream_options"]
            for options in (None, {}, {"x": 1}, {"include_usage": False}, "bad")
        ]

        yes = {"include_usage": True}
        assert [yes, yes, {"x": 1, **yes}, {"include_usage": False}, "bad"] == bodies

    def test_the_call_is_not_changed(self) -> None:
        asked = call(model="endpoint", stream=True, stream_options={"x": 1})
        before = json.dumps(asked.payload)

        acme().request(asked)

        assert before == json.dumps(asked.payload)


def answer(**changes: Any) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
    return json.dumps({"id": "x", "model": "big-2", "choices": [choice], **changes}).encode()


class TestResponse:
    def test_the_upstreams_bytes_are_the_answer(self) -> None:
        body = answer()

        assert body is acme().response(call(), UpstreamResponse(200, {}, body)).body

    def test_telemetry_learns_id_model_usage_and_finish_reasons(self) -> None:
        usage = {
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 2},
        }

        info = acme().response(call(), UpstreamResponse(200, {}, answer(usage=usage))).info

        assert ("x", "big-2", ("stop",)) == (info.id, info.model, info.finish_reasons)
        assert Usage(5, 7, 3, 2) == info.usage

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b"3", b"{}", b'{"choices":[]}', b'{"choices":{}}', b"\xff"]
    )
    def test_what_is_no_answer_is_refused(self, body: bytes) -> None:
        with pytest.raises(ResponseError):
            acme().response(call(), UpstreamResponse(200, {}, body))

    def test_embeddings_need_data(self) -> None:
        with pytest.raises(ResponseError, match="without data"):
            acme().response(call(Task.EMBEDDINGS), UpstreamResponse(200, {}, answer()))

    def test_an_error_under_a_200_is_passed_on_in_words(self) -> None:
        with pytest.raises(ResponseError, match="quota of x"):
            acme().response(call(), UpstreamResponse(200, {}, b'{"error":{"message":"quota of x"}}'))

    @given(st.recursive(st.none() | st.integers() | st.text(), lambda c: st.dictionaries(st.text(), c)))
    def test_odd_fields_in_an_answer_never_raise(self, odd: Any) -> None:
        body = answer(id=odd, usage=odd, model=odd, choices=[odd])

        assert body == acme().response(call(), UpstreamResponse(200, {}, body)).body


def chunk(index: int = 0, finish: str | None = None, **changes: Any) -> bytes:
    choice = {"index": index, "delta": {"content": "a"}, "finish_reason": finish}
    return (
        b"data: "
        + json.dumps({"id": "x", "model": "big-2", "choices": [choice], **changes}).encode()
        + b"\n\n"
    )


USAGE = chunk(choices=[], usage={"prompt_tokens": 5, "completion_tokens": 7})
DONE = b"data: [DONE]\n\n"


def run(*pieces: bytes, **payload: Any) -> tuple[bytes, Any]:
    decoder = acme().stream(call(stream=True, **payload))
    out = b"".join([decoder.feed(piece) for piece in pieces]) + decoder.end()
    return out, decoder


class TestStream:
    def test_events_are_forwarded_byte_for_byte(self) -> None:
        odd = b": ping\r\n\r\n" + chunk().replace(b"data: ", b"id: 3\ndata:") + chunk(finish="stop") + DONE

        out, decoder = run(odd)

        assert odd == out
        assert (True, None) == (decoder.complete, decoder.error)

    @given(st.lists(st.integers(0, 600), max_size=8))
    def test_bytes_split_anywhere_give_the_same_events(self, cuts: list[int]) -> None:
        stream = chunk() + chunk(finish="stop") + USAGE + DONE
        edges = [0, *sorted(cuts), len(stream)]

        out, decoder = run(*(stream[a:b] for a, b in itertools.pairwise(edges)))

        assert chunk() + chunk(finish="stop") + DONE == out
        assert (True, Usage(5, 7)) == (decoder.complete, decoder.info.usage)

    def test_only_whole_events_are_given_out(self) -> None:
        decoder = acme().stream(call(stream=True))

        assert b"" == decoder.feed(chunk()[:-1])
        assert chunk() == decoder.feed(b"\n")

    def test_usage_that_only_we_asked_for_is_counted_and_hidden(self) -> None:
        out, decoder = run(chunk(finish="stop"), USAGE, DONE)

        assert chunk(finish="stop") + DONE == out
        assert Usage(5, 7) == decoder.info.usage

    def test_usage_that_the_caller_asked_for_is_passed_on(self) -> None:
        out, _ = run(chunk(finish="stop"), USAGE, DONE, stream_options={"include_usage": True})

        assert chunk(finish="stop") + USAGE + DONE == out

    def test_telemetry_learns_id_model_and_finish_reasons(self) -> None:
        _, decoder = run(chunk(0), chunk(1, "length"), chunk(0, "stop"), DONE)

        assert ("x", "big-2", ("stop", "length")) == (
            decoder.info.id,
            decoder.info.model,
            decoder.info.finish_reasons,
        )

    def test_finished_choices_and_a_clean_close_complete_an_answer_and_done_is_added(self) -> None:
        out, decoder = run(chunk(finish="stop"))

        assert chunk(finish="stop") + DONE == out
        assert decoder.complete

    @pytest.mark.parametrize(
        ("pieces", "payload"),
        [
            ([], {}),
            ([b""], {}),
            ([b": ping\n\n"], {}),
            ([chunk()], {}),
            ([chunk(0, "stop"), chunk(1)], {}),
            ([chunk(0, "stop")], {"n": 2}),
            ([chunk(0, "stop")], {"prompt": ["a", "b"]}),
            ([chunk()[:-5]], {}),
        ],
    )
    def test_a_stream_that_was_cut_is_an_error(self, pieces: list[bytes], payload: dict[str, Any]) -> None:
        out, decoder = run(*pieces, **payload)

        assert isinstance(decoder.error, StreamError)
        assert (False, "stream_incomplete") == (decoder.complete, decoder.error.code)
        assert DONE not in out

    @pytest.mark.parametrize("garbage", [b"data: {\n\n", b"data: 3\n\n", b"data:\n\n", b"data: \xff\n\n"])
    def test_garbage_is_an_error_and_what_came_before_is_good(self, garbage: bytes) -> None:
        out, decoder = run(chunk() + garbage + chunk() + DONE)

        assert chunk() == out
        assert isinstance(decoder.error, StreamError)
        assert not decoder.complete

    @pytest.mark.parametrize(
        "event",
        [
            b'data: {"error": "overloaded"}\n\n',
            b'data: {"error": {"message": "overloaded", "code": null}}\n\n',
            b'event: error\ndata: {"message": "overloaded"}\n\n',
        ],
    )
    def test_an_error_inside_a_stream_is_told_in_its_own_words(self, event: bytes) -> None:
        out, decoder = run(chunk(), event, DONE)

        assert chunk() == out
        assert isinstance(decoder.error, StreamError)
        assert ("overloaded", "upstream_error") == (decoder.error.message, decoder.error.code)

    def test_an_error_inside_a_stream_is_judged_by_the_status_it_carries(self) -> None:
        _, decoder = run(b'data: {"error": {"message": "slow down", "code": 429}}\n\n')

        assert isinstance(decoder.error, UpstreamError)
        assert (429, 429) == (decoder.error.status, decoder.error.upstream_status)

    def test_nothing_follows_the_end_of_an_answer(self) -> None:
        out, _ = run(chunk(finish="stop"), DONE + chunk(), chunk())

        assert chunk(finish="stop") + DONE == out

    @given(st.lists(st.binary(max_size=40) | st.sampled_from([chunk(), chunk(finish="stop"), USAGE, DONE])))
    def test_a_decoder_is_total_and_either_completes_or_says_why_not(self, pieces: list[bytes]) -> None:
        out, decoder = run(*pieces)

        assert decoder.complete is (decoder.error is None)
        assert b"[DONE]" in out or not decoder.complete


def error(status: int, body: bytes = b"", **headers: str) -> ProviderError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return acme().error(UpstreamResponse(status, named, body))


class TestError:
    @pytest.mark.parametrize("status", [400, 402, 408, 409, 410, 413, 415, 422, 424, 429, 451, 503, 504])
    def test_a_status_that_means_something_to_the_caller_is_kept(self, status: int) -> None:
        assert status == error(status).status

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (401, "upstream_authentication"),
            (403, "upstream_permission"),
            (404, "upstream_not_found"),
            (405, "upstream_not_found"),
        ],
    )
    def test_the_gateways_own_misconfiguration_is_a_bad_gateway_that_no_retry_helps(
        self, status: int, code: str
    ) -> None:
        failure = error(status, b'{"error": {"message": "no such thing", "code": "other"}}')

        assert (502, code) == (failure.status, failure.code)
        assert not failure.kind.caller_may_repeat
        assert "no such thing" in failure.message

    @pytest.mark.parametrize(
        ("status", "ours"), [(529, 503), (500, 502), (502, 502), (520, 502), (302, 502), (999, 502)]
    )
    def test_any_other_status_is_a_bad_gateway_but_an_overload(self, status: int, ours: int) -> None:
        failure = error(status)

        assert isinstance(failure, UpstreamError)
        assert (ours, status) == (failure.status, failure.upstream_status)

    @pytest.mark.parametrize(
        "body",
        [
            b'{"error": {"message": "too  long"}}',
            b'{"error": "too long"}',
            b'{"message": "too long"}',
            b'{"detail": "too long"}',
            b'[{"error": {"message": "too long"}}]',
            b'"too long"',
            b"too\nlong\n",
            b"<html><head><title>too long</title></head><body>nginx</body></html>",
            b"<p>too&nbsp;<b>long</b></p>",
        ],
    )
    def test_the_upstreams_words_are_found_wherever_they_are(self, body: bytes) -> None:
        assert "too long" == error(400, body).message

    def test_validation_errors_keep_their_places(self) -> None:
        body = b'{"detail": [{"loc": ["body", "n"], "msg": "not a number"}, {"loc": [], "msg": "bad"}]}'

        assert "body.n: not a number; bad" == error(422, body).message

    def test_an_error_without_words_says_its_status(self) -> None:
        assert "the model's service answered 500 Internal Server Error" == error(500).message

    def test_the_upstreams_code_and_param_are_kept_with_its_status(self) -> None:
        failure = error(
            400, b'{"error": {"message": "m", "code": "context_length_exceeded", "param": "messages"}}'
        )

        assert ("context_length_exceeded", "messages") == (failure.code, failure.param)

    @pytest.mark.parametrize(
        ("headers", "expected_s"),
        [
            ({"retry_after": "7"}, 7.0),
            ({"retry_after": "1.5"}, 1.5),
            ({"retry_after": "7, 9"}, 7.0),
            ({"retry_after": "1e999"}, None),
            ({"retry_after": "99999999999"}, 604800.0),
            ({"retry_after": "-3"}, 0.0),
            ({"retry_after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
            ({"retry_after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
            ({"retry_after": "9", "retry_after_ms": "250"}, 0.25),
            ({"retry_after": "soon"}, None),
            ({"retry_after": "nan"}, None),
            ({}, None),
        ],
    )
    def test_retry_after_is_seconds_or_a_date(
        self, headers: dict[str, str], expected_s: float | None
    ) -> None:
        assert expected_s == error(429, **headers).retry_after_s

    @pytest.mark.parametrize("status", [400, 401, 500])
    def test_a_key_is_never_repeated(self, status: int) -> None:
        failure = error(status, f'{{"error": {{"message": "bad key {KEY}, sk-a*****key"}}}}'.encode())

        assert "bad key [redacted], [redacted]" in failure.message

    def test_a_key_is_never_repeated_inside_a_stream(self) -> None:
        _, decoder = run(b'data: {"error": "bad key %b"}\n\n' % KEY.encode())

        assert "bad key [redacted]" == decoder.error.message

    @given(
        st.integers(100, 999),
        st.binary(),
        st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()),
    )
    def test_reading_an_error_never_raises(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        assert acme().error(UpstreamResponse(status, headers, body)).message

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["error", "message", "detail", "loc", "code"]), inner)
            ),
        )
    )
    def test_reading_any_json_never_raises(self, body: Any) -> None:
        assert error(400, json.dumps(body).encode()).message
