"""Conversations in spans, whoever wrote them, in one form: messages with a role and parts.

Read are the GenAI conventions (`gen_ai.input.messages` of spans and events, and the events that were before
0.1.0), OpenInference (`llm.input_messages.0.message.role`), OpenLLMetry (`gen_ai.prompt.0.content`), and
values in OpenAI's or Anthropic's shape as inputs and outputs (`tollway.inputs`, `mlflow.spanInputs`,
`input.value`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tollway.tracing.readers import EventView, SpanView
from tollway.tracing.readers.views import decoded
from tollway.tracing.semconv.genai import read

from .parts import Part, parts_of

Message = dict[str, Any]
"""`role`, `parts`, and `finish` where it is why a model stopped."""

_FLAT = (
    ("llm.input_messages.", "llm.output_messages.", "message."),
    ("gen_ai.prompt.", "gen_ai.completion.", ""),
)
"""Messages spread over attributes: prefixes of both directions, and what comes after the number."""


def conversation_of(span: SpanView) -> dict[str, list[Message]] | None:
    """Return the messages that went into and came out of a span; None where it has none."""
    attributes = span.attributes
    asked, answered = _captured(attributes)
    for event in span.events:
        if not asked and not answered:
            asked, answered = _captured(event.attributes)
    if not asked and not answered:
        asked, answered = _of_events(span.events)
    if not asked and not answered:
        asked = _structured(attributes.get("mlflow.chat.messages"))
    if not asked and not answered:
        asked = _of_value(_value(span.inputs, attributes, "input.value"))
        answered = _of_value(_value(span.outputs, attributes, "output.value"))
        if not any(message["role"] != "assistant" for message in asked):
            return None  # a value that only looks like an answer is no conversation
    for message in answered:
        message["is_answer"] = True
    messages = asked + answered
    return {"messages": messages} if messages else None


def _captured(attributes: Mapping[str, Any]) -> tuple[list[Message], list[Message]]:
    """Return what was asked and answered as attributes have it, of a span or of an event."""
    asked = _structured(read(attributes, "gen_ai.input.messages")) or _flat(attributes, 0)
    answered = _structured(read(attributes, "gen_ai.output.messages")) or _flat(attributes, 1)
    return [*_instructions(attributes), *asked], answered


def _of_events(events: Iterable[EventView]) -> tuple[list[Message], list[Message]]:
    """Return messages that are events: `gen_ai.user.message`, `gen_ai.choice`, as they were before 0.1.0."""
    asked: list[Message] = []
    answered: list[Message] = []
    for event in events:
        role = event.name.removeprefix("gen_ai.").removesuffix(".message")
        told = {key: decoded(value) for key, value in event.attributes.items()}
        if event.name == "gen_ai.choice":
            answered.append(_of_choice(told))
        elif event.name == f"gen_ai.{role}.message":
            asked.append(_of_object({"role": role, **told}))
    return asked, answered


def _value(found: Any, attributes: Mapping[str, Any], name: str) -> Any:
    return decoded(attributes.get(name)) if found is None else found


def _instructions(attributes: Mapping[str, Any]) -> Iterator[Message]:
    said = decoded(attributes.get("gen_ai.system_instructions"))
    if said:
        yield _message("system", parts_of(said))


def _structured(value: Any) -> list[Message]:
    """Return the messages of the conventions' attribute: a list, or its JSON; events before 0.1.0 too."""
    value = decoded(value)
    if isinstance(value, str) and value:
        return [_message("user", parts_of(value))]
    return _messages(value) if isinstance(value, Sequence) else []


def _messages(items: Iterable[Any]) -> list[Message]:
    return [_of_object(item) for item in items if isinstance(item, Mapping)]


def _of_object(item: Mapping[str, Any]) -> Message:
    """Return a message of the conventions, of OpenAI or of Anthropic."""
    role = str(item.get("role") or item.get("type") or "user")
    parts = parts_of(item.get("parts", item.get("content")))
    if role == "tool":
        parts = _as_result(item, parts)
    if reasoning := item.get("reasoning_content") or item.get("reasoning"):
        parts = [*parts_of([{"type": "reasoning", "content": reasoning}]), *parts]
    if refusal := item.get("refusal"):
        parts = [*parts, *parts_of(refusal)]
    calls = item.get("tool_calls")
    parts += parts_of([*calls]) if isinstance(calls, Sequence) and not isinstance(calls, str) else []
    return _message(role, parts, item.get("finish_reason") or item.get("stop_reason"))


def _as_result(item: Mapping[str, Any], parts: list[Part]) -> list[Part]:
    """Make what a message of a tool says its result, as OpenAI has it."""
    if any(part["type"] == "tool_result" for part in parts):
        return parts
    said = parts[0].get("text") if len(parts) == 1 and parts[0]["type"] == "text" else parts
    name = item.get("name")
    return [{"type": "tool_result", "id": item.get("tool_call_id"), "name": name, "content": decoded(said)}]


def _message(role: str, parts: list[Part], finish: Any = None) -> Message:
    message: Message = {"role": role, "parts": parts}
    if finish is not None:
        message["finish"] = str(finish)
    return message


def _flat(attributes: Mapping[str, Any], way: int) -> list[Message]:
    """Return messages that are spread over numbered attributes."""
    for prefixes in _FLAT:
        prefix, inner = prefixes[way], prefixes[2]
        nested = nested_of(attributes, prefix)
        items = [(item.get(inner[:-1]) or {}) if inner else item for item in nested]
        if items:
            return _messages(map(_unflattened, items))
    return []


def nested_of(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the objects below `prefix0.`, `prefix1.` …, in order, with what is below them nested."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in attributes.items():
        if not name.startswith(prefix):
            continue
        number, _, path = name.removeprefix(prefix).partition(".")
        if not (number.isascii() and number.isdigit() and path):
            continue
        at: Any = found.setdefault(int(number), {})
        *above, last = path.split(".")
        for step in above:
            below = at.setdefault(step, {})
            at = at[step] = below if isinstance(below, dict) else {}
        at[last] = value
    return [found[number] for number in sorted(found)]


def _unflattened(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message whose lists, which attributes have as numbered objects, are lists again."""
    message = dict(item)
    contents = _listed(message.pop("contents", None))
    if contents:
        message["content"] = [one.get("message_content", one) for one in contents]
    calls = _listed(message.get("tool_calls"))
    if calls:
        message["tool_calls"] = [one.get("tool_call", one) for one in calls]
    return message


def _listed(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, Mapping):
        return []
    numbered = [(int(key), one) for key, one in value.items() if str(key).isdigit()]
    return [one for _, one in sorted(numbered, key=lambda pair: pair[0]) if isinstance(one, dict)]


def _of_value(value: Any) -> list[Message]:
    """Return the messages of a request or an answer in OpenAI's or Anthropic's shape."""
    if isinstance(value, Mapping):
        if isinstance(messages := value.get("messages"), Sequence) and not isinstance(messages, str):
            return [*_instructions({"gen_ai.system_instructions": value.get("system")}), *_messages(messages)]
        if isinstance(choices := value.get("choices"), Sequence) and not isinstance(choices, str):
            return [_of_choice(one) for one in choices if isinstance(one, Mapping)]
        if len(value) == 1:  # a function's only argument
            return _of_value(next(iter(value.values())))
        return [_of_object(value)] if "role" in value and "content" in value else []
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        has_roles = bool(value) and all(isinstance(one, Mapping) and "role" in one for one in value)
        return _messages(value) if has_roles else []
    return []


def _of_choice(choice: Mapping[str, Any]) -> Message:
    message = choice.get("message") or {"role": "assistant", "content": choice.get("text")}
    whole = dict(message) if isinstance(message, Mapping) else {"content": message}
    return _of_object({"role": "assistant", **whole, "finish_reason": choice.get("finish_reason")})
