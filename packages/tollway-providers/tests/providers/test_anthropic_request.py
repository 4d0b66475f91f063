"""What Anthropic is asked. The integration tests hold the same bodies against the API's own types."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider import Call, PayloadError, Target, Task, with_defaults
from tollway.providers._anthropic_schema import closed
from tollway.providers.anthropic import AnthropicProvider

HI = {"role": "user", "content": "hi"}
SAID_HI = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
CACHE = {"type": "ephemeral"}


def body(*messages: Any, stream: bool = False, version: str = "2023-06-01", **payload: Any) -> Any:
    given = {"anthropic_api_key": "k", "anthropic_version": version}
    config = with_defaults(AnthropicProvider.settings, given)
    provider = AnthropicProvider(Target("e", Task.CHAT, "claude-1", config))
    payload = {"model": "e", "messages": list(messages or [HI]), **payload}
    return json.loads(provider.request(Call(Task.CHAT, payload, b"", stream)).body)


def asked(**payload: Any) -> Any:
    """Return what a request says beyond its message."""
    return {k: v for k, v in body(**payload).items() if k not in ("model", "messages", "max_tokens")}


def turns(*messages: Any) -> Any:
    return body(*messages)["messages"]


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def called(*calls: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Return an assistant's message that calls `f` with these ids and arguments."""
    functions = [
        {"id": id, "type": "function", "function": {"name": "f", "arguments": said}} for id, said in calls
    ]
    return {"role": "assistant", "content": None, "tool_calls": functions, **more}


def refused(*messages: Any, **payload: Any) -> PayloadError:
    with pytest.raises(PayloadError) as error:
        body(*messages, **payload)
    assert 400 == error.value.status
    return error.value


def test_a_plain_chat() -> None:
    """The model is the upstream's, and the maximum, which the API needs, is the config's."""
    assert {"model": "claude-1", "max_tokens": 8192, "messages": [SAID_HI]} == body()
    assert body(stream=True)["stream"] is True


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_the_callers_maximum_counts(key: str) -> None:
    assert 7 == body(**{key: 7})["max_tokens"]


def test_a_budget_for_thinking_fits_into_the_maximum() -> None:
    thinking = {"type": "enabled", "budget_tokens": 10_000}

    assert body(thinking=thinking)["max_tokens"] > 10_000
    assert {"thinking": thinking} == asked(thinking=thinking)


def test_how_to_sample() -> None:
    """OpenAI's temperatures go from 0 to 2, Anthropic's from 0 to 1."""
    assert {"temperature": 0.5} == asked(temperature=1)
    assert {"temperature": 0.0} == asked(temperature=0)
    assert {"temperature": 1.0} == asked(temperature=2)
    assert {"top_p": 0.5, "top_k": 3} == asked(top_p=0.5, top_k=3)
    assert {"stop_sequences": ["END"]} == asked(stop="END")
    assert {"stop_sequences": ["A", "B"]} == asked(stop=["A", "B"])
    assert "temperature" == refused(temperature=2.1).param


@pytest.mark.parametrize(
    "thinking",
    [{"reasoning_effort": "low"}, {"thinking": {"type": "adaptive"}}, {"thinking": {"type": "enabled"}}],
)
def test_a_model_that_thinks_takes_no_sampling(thinking: dict[str, Any]) -> None:
    """The API takes no other temperature than its own with thinking, and clients send theirs by habit."""
    said = asked(temperature=1, top_p=0.5, top_k=3, **thinking)

    assert set() == {"temperature", "top_p", "top_k"} & set(said)
    assert "temperature" == refused(temperature=3, **thinking).param
    assert 0.5 == asked(temperature=1, thinking={"type": "disabled"})["temperature"]


def test_a_forced_tool_leaves_no_thinking_but_an_effort() -> None:
    """The API refuses both at once; the tool makes the answer, the effort only steers."""
    said = asked(tools=[tool()], tool_choice="required", reasoning_effort="high", temperature=1)

    assert "thinking" not in said
    assert ({"effort": "high"}, 0.5) == (said["output_config"], said["temperature"])


def test_the_newest_version_of_the_api_takes_no_sampling() -> None:
    """It refuses these fields whatever their values, and clients send them by habit."""
    assert {} == asked(temperature=1, top_p=1, top_k=3, version="2026-10-21")


def test_the_user_is_named() -> None:
    assert {"metadata": {"user_id": "u"}} == asked(user="u")
    assert {"metadata": {"user_id": "u"}} == asked(safety_identifier="u")
    assert {"metadata": {"user_id": "u"}} == asked(metadata={"user_id": "u", "team": "t"})
    assert {} == asked(metadata={"team": "t"})


@pytest.mark.parametrize(
    ("effort", "level"), [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("xhigh", "xhigh")]
)
def test_reasoning_effort_is_how_much_to_think(effort: str, level: str) -> None:
    expected = {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}}
    assert expected == asked(reasoning_effort=effort)


def test_no_reasoning_is_no_thinking() -> None:
    assert {"thinking": {"type": "disabled"}} == asked(reasoning_effort="none")


def by_schema(schema: dict[str, Any], **payload: Any) -> Any:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    return asked(response_format=wanted, **payload)


def test_structured_output_keeps_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a"}},
        "$defs": {"a": {"type": "string"}},
        "additionalProperties": False,
    }

    assert {"output_config": {"format": {"type": "json_schema", "schema": schema}}} == by_schema(schema)
    assert {} == asked(response_format={"type": "text"})


OPEN = {
    "type": "object",
    "properties": {"counts": {"type": "object", "additionalProperties": {"type": "integer"}}},
}


@pytest.mark.parametrize("wanted", [{"type": "json_object"}, None], ids=["json_object", "open schema"])
def test_json_without_a_closed_schema_is_the_input_of_a_tool(wanted: Any) -> None:
    """The API enforces closed objects alone; a tool's input may be any object."""
    said = by_schema(OPEN) if wanted is None else asked(response_format=wanted)

    (tool,) = said["tools"]
    assert {"type": "tool", "name": tool["name"], "disable_parallel_tool_use": True} == said["tool_choice"]
    assert (OPEN if wanted is None else {"type": "object"}) == tool["input_schema"]
    assert {"tools", "tool_choice"} == set(said)


@pytest.mark.parametrize("more", ["tools", "thinking"])
def test_beside_tools_or_thinking_json_is_asked_for_in_words(more: str) -> None:
    """A tool of ours would keep the model from the caller's, and the API refuses it beside thinking."""
    added = {
        "tools": {"tools": [tool()]},
        "thinking": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }

    plain = asked(response_format={"type": "json_object"}, **added[more])
    with_schema = by_schema(OPEN, **added[more])

    assert "tool_choice" not in plain
    assert "one JSON object" in plain["system"][-1]["text"]
    assert "counts" in with_schema["system"][-1]["text"]


def test_an_effort_stays_beside_a_json_object() -> None:
    said = asked(response_format={"type": "json_object"}, reasoning_effort="high")

    assert {"effort": "high"} == said["output_config"]
    assert "thinking" not in said


def test_a_stop_of_white_space_alone_is_left_out() -> None:
    """The API refuses it, and clients send a line end by habit."""
    assert {} == asked(stop="\n")
    assert {} == asked(stop=["\n", " "])
    assert {"stop_sequences": ["END"]} == asked(stop=["\n\n", "END"])


def test_what_only_steers_and_has_no_counterpart_is_left_out() -> None:
    steering = {"seed": 1, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logit_bias": {"1": 2}}
    assert {} == asked(**steering, store=False, n=1, logprobs=False, tools=[], stream_options={})


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": "json"}, "response_format"),
        ({"stop": 3}, "stop"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"reasoning_effort": "a lot"}, "reasoning_effort"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools.0"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function.name"),
        ({"tools": [{"function": {"name": "f"}}], "tool_choice": "any"}, "tool_choice"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "s"}]}, "messages"),
    ],
)
def test_what_would_change_the_answer_is_refused(payload: dict[str, Any], param: str) -> None:
    assert param == refused(**payload).param


def test_system_and_developer_messages_may_stand_anywhere() -> None:
    """They make up the system prompt, in their order."""
    said = body(
        {"role": "system", "content": "one"},
        HI,
        {"role": "developer", "content": [{**text("two"), "cache_control": CACHE}]},
        HI,
    )
    assert [text("one"), {**text("two"), "cache_control": CACHE}] == said["system"]
    assert [{"role": "user", "content": [text("hi"), text("hi")]}] == said["messages"]


def test_neighbours_of_one_role_are_one_turn() -> None:
    answer = {"role": "assistant", "content": "a"}
    expected = [
        {"role": "user", "content": [text("hi"), text("hi")]},
        {"role": "assistant", "content": [text("a"), text("a")]},
        SAID_HI,
    ]
    assert expected == turns(HI, HI, answer, answer, HI)


def test_blank_text_is_left_out() -> None:
    """The API refuses it."""
    assert [SAID_HI] == turns({"role": "user", "content": " "}, HI, {"role": "assistant", "content": ""})


def test_a_conversation_may_be_marked_for_the_cache_as_a_whole() -> None:
    assert {"cache_control": CACHE} == asked(cache_control=CACHE)


def test_an_image_by_its_common_name_is_a_jpeg() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AAAA"}}
    ((block,),) = [turn["content"] for turn in turns({"role": "user", "content": [part]})]

    assert "image/jpeg" == block["source"]["media_type"]


def test_images_and_files_are_blocks() -> None:
    link = {"type": "image_url", "image_url": {"url": "https://a/b.png"}, "cache_control": CACHE}
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
    said = turns({"role": "user", "content": [text("see"), PNG, link, {"type": "file", "file": file}]})

    base64 = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    expected = [
        text("see"),
        {"type": "image", "source": base64},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}, "cache_control": CACHE},
        {"type": "document", "source": pdf, "title": "a.pdf"},
    ]
    assert expected == said[0]["content"]


def test_calls_and_their_results() -> None:
    """Text stands beside calls, no arguments are an empty object, and all results are in one turn."""
    said = turns(
        HI,
        called(("c1", '{"a": {"b": [1]}}'), ("c2", ""), content="let me see"),
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [text("two"), PNG]},
        {"role": "user", "content": "and?"},
    )
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    expected = [
        SAID_HI,
        {
            "role": "assistant",
            "content": [
                text("let me see"),
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": {"b": [1]}}},
                {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": [text("one")]},
                {"type": "tool_result", "tool_use_id": "c2", "content": [text("two"), image]},
                text("and?"),
            ],
        },
    ]
    assert expected == said


def test_a_result_may_be_empty() -> None:
    said = turns(HI, called(("c1", "{}")), {"role": "tool", "tool_call_id": "c1", "content": ""})
    assert [{"type": "tool_result", "tool_use_id": "c1"}] == said[-1]["content"]


def test_thinking_goes_back_as_it_came() -> None:
    """Before the text, whole and signed; `reasoning_content` alone has no signature, and stays here."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    redacted = {"type": "redacted_thinking", "data": "d"}
    blocks = [{"index": 0, **thinking}, redacted]
    answer = {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking_blocks": blocks}

    assert [thinking, redacted, text("a")] == turns(HI, answer, HI)[1]["content"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("hi", "role"),
        ({"content": "hi"}, "role"),
        ({"role": "function", "content": "hi"}, "role"),
        ({"role": ["user"], "content": "hi"}, "role"),
        ({"role": "user"}, "content"),
        ({"role": "user", "content": 3}, "content"),
        ({"role": "user", "content": [text("a"), "b"]}, "content.1.type"),
        ({"role": "user", "content": [{"type": "text"}]}, "content.0.text"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "content.0.type"),
        ({"role": "system", "content": [PNG]}, "content.0.type"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, "content.0.image_url.url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/bmp;base64,AA"}]},
            "content.0.image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
            "content.0.file.file_data",
        ),
        ({"role": "tool", "content": "x"}, "tool_call_id"),
        ({"role": "assistant", "tool_calls": [3]}, "tool_calls.0"),
        ({"role": "assistant", "function_call": {"name": "f"}}, "function_call"),
        ({"role": "assistant", "thinking_blocks": "hm"}, "thinking_blocks"),
    ],
)
def test_what_is_wrong_in_a_message_is_named(message: Any, param: str) -> None:
    assert f"messages.1.{param}" == refused(HI, message).param


SCHEMA = {
    "type": "object",
    "properties": {
        "where": {"anyOf": [{"$ref": "#/$defs/place"}, {"type": "null"}]},
        "when": {"type": "object", "properties": {"day": {"type": "string", "format": "date"}}},
    },
    "$defs": {"place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    "required": ["where"],
}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def test_a_tools_schema_is_kept_whole() -> None:
    (said,) = asked(tools=[tool(description="d", parameters=SCHEMA)])["tools"]
    assert {"name": "f", "description": "d", "input_schema": SCHEMA} == said


def test_the_schema_of_a_strict_tool_is_closed() -> None:
    """The API takes no other for it."""
    (said,) = asked(tools=[tool(parameters=SCHEMA, strict=True)])["tools"]

    assert {**said, "strict": True, "input_schema": closed(SCHEMA)} == said


def test_a_tool_needs_neither_description_nor_parameters() -> None:
    assert [{"name": "f", "input_schema": {"type": "object"}}] == asked(tools=[tool()])["tools"]
    (said,) = asked(tools=[{**tool(parameters=None, description=""), "cache_control": CACHE}])["tools"]
    assert {"name": "f", "input_schema": {"type": "object"}, "cache_control": CACHE} == said


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        ("none", {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
    ],
)
def test_which_tool_to_use(choice: Any, said: dict[str, Any]) -> None:
    single = said if choice == "none" else {**said, "disable_parallel_tool_use": True}

    assert said == asked(tools=[tool()], tool_choice=choice)["tool_choice"]
    assert single == asked(tools=[tool()], tool_choice=choice, parallel_tool_calls=False)["tool_choice"]
    assert {} == asked(tool_choice=choice, parallel_tool_calls=False), "the API wants no choice without tools"


def test_one_tool_at_a_time() -> None:
    single = {"type": "auto", "disable_parallel_tool_use": True}

    assert single == asked(tools=[tool()], parallel_tool_calls=False)["tool_choice"]
    assert "tool_choice" not in asked(tools=[tool()], parallel_tool_calls=True)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "hi", "text", "user", "tool", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "type",
                    "text",
                    "tool_calls",
                    "function",
                    "name",
                    "image_url",
                    "thinking_blocks",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = [
    "messages",
    "tools",
    "tool_choice",
    "temperature",
    "stop",
    "n",
    "response_format",
    "thinking",
    "user",
    "metadata",
]


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4))
def test_any_json_is_said_or_refused(payload: dict[str, Any]) -> None:
    """No request is an accident of ours."""
    with suppress(PayloadError):
        body(**{"messages": [HI], **payload})
