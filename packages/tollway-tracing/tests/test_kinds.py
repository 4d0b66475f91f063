"""Kinds of work are operations of the GenAI conventions."""

import pytest
from opentelemetry.trace import SpanKind

from tollway import tracing
from tollway.tracing import testing
from tollway.tracing.semconv.genai import read


def started(name, kind, **options):
    with testing.capture() as captured, tracing.start_span(name, kind, **options):
        pass
    (span,) = captured.spans
    return span


@pytest.mark.parametrize(
    ("kind", "name", "span_kind", "attributes"),
    [
        (
            "tool",
            "execute_tool search",
            SpanKind.INTERNAL,
            {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": "search",
                "gen_ai.tool.type": "function",
            },
        ),
        (
            "agent",
            "invoke_agent search",
            SpanKind.INTERNAL,
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "search"},
        ),
        ("retriever", "retrieval search", SpanKind.CLIENT, {"gen_ai.operation.name": "retrieval"}),
        ("embedding", "embeddings search", SpanKind.CLIENT, {"gen_ai.operation.name": "embeddings"}),
        ("llm", "chat search", SpanKind.CLIENT, {"gen_ai.operation.name": "chat"}),
        ("chat", "chat search", SpanKind.CLIENT, {"gen_ai.operation.name": "chat"}),
        ("plan", "plan search", SpanKind.INTERNAL, {"gen_ai.operation.name": "plan"}),
    ],
)
def test_a_kind_is_an_operation(kind, name, span_kind, attributes):
    """Its name begins the span's, and what it is of has the conventions' attribute."""
    span = started("search", kind)
    del (found := dict(span.attributes))["tollway.kept_because"]
    assert (name, span_kind, attributes) == (span.name, span.kind, found)


@pytest.mark.parametrize("kind", ["TOOL", "Tool", "execute_tool"])
def test_words_are_taken_in_any_case_and_by_the_operations_name(kind):
    assert "execute_tool search" == started("search", kind).name


def test_a_model_that_is_known_names_the_span():
    span = started("answer", "llm", attributes={"gen_ai.request.model": "gpt-4"})
    assert "chat gpt-4" == span.name


def test_what_the_caller_says_stays():
    given = {"gen_ai.tool.name": "web", "gen_ai.tool.type": "extension"}
    span = started("search", "tool", attributes=given)
    assert ("execute_tool web", given) == (span.name, {key: span.attributes[key] for key in given})


def test_a_name_that_has_the_operation_already_is_kept():
    assert "execute_tool search" == started("execute_tool search", "tool").name


def test_a_word_without_a_convention_is_an_attribute():
    span = started("steps", "chain")
    assert ("steps", "chain") == (span.name, span.attributes["tollway.kind"])


def test_a_decorated_function_is_a_tool():
    @tracing.trace(kind="tool")
    def weather(city):
        return f"rain in {city}"

    with testing.capture() as captured:
        weather("Kiel")
    (span,) = captured.spans
    assert "execute_tool weather" == span.name
    assert '{"city":"Kiel"}' == span.attributes["tollway.inputs"]


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        ({"gen_ai.provider.name": "openai", "gen_ai.system": "old"}, "gen_ai.provider.name", "openai"),
        ({"gen_ai.system": "openai"}, "gen_ai.provider.name", "openai"),
        ({"gen_ai.usage.prompt_tokens": 3}, "gen_ai.usage.input_tokens", 3),
        (
            {"gen_ai.usage.cache_creation.input_tokens": 4},
            "gen_ai.usage.cache_write.input_tokens",
            4,
        ),
        ({}, "gen_ai.usage.input_tokens", None),
    ],
)
def test_earlier_names_are_read_too(attributes, name, value):
    assert value == read(attributes, name)
