"""Reads a chat request of OpenAI's dialect for translators into other dialects; pure functions.

https://platform.openai.com/docs/api-reference/chat/create. Whatever cannot be read is a `PayloadError` that
names the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps, loads

ROLES = ("system", "developer", "user", "assistant", "tool")


class Part(NamedTuple):
    """One part of a message's content: its type, the part itself, and where it stands."""

    kind: str
    said: dict[str, Any]
    where: str


class ToolCall(NamedTuple):
    """A call of a function in the history; `arguments` are None where the text is no JSON object."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    text: str
    said: dict[str, Any]


class Tool(NamedTuple):
    """A function that the model may call; `parameters` is its JSON schema, empty when it takes none."""

    name: str
    description: str
    parameters: dict[str, Any]
    said: dict[str, Any]


class Schema(NamedTuple):
    """A form of JSON that the answer should have; `schema` is None for any object."""

    schema: dict[str, Any] | None
    name: str


def refuse_unsayable(payload: dict[str, Any], *, several: bool = False, logprobs: bool = False) -> None:
    """Refuse what only OpenAI's dialect says; the target may have `several` answers, and `logprobs`."""
    if not several and payload.get("n") not in (None, 1):
        raise PayloadError("this model gives one answer at a time: n must be 1", param="n")
    if not logprobs and (payload.get("logprobs") or payload.get("top_logprobs")):
        raise PayloadError("this model tells no log probabilities", param="logprobs")
    if payload.get("audio"):
        raise PayloadError("this model does not answer in audio", param="audio")
    for old, new in (("functions", "tools"), ("function_call", "tool_choice")):
        if payload.get(old):
            raise PayloadError(f"{old} is not supported: use {new}", param=old)


def refuse_modalities(payload: dict[str, Any]) -> None:
    """Refuse answers in anything but text."""
    if payload.get("modalities") not in (None, ["text"]):
        raise PayloadError("this model answers in text alone", param="modalities")


def messages_of(payload: dict[str, Any]) -> list[tuple[str, dict[str, Any], str]]:
    """Return role, message and place of every message."""
    messages = payload.get("messages")
    if not isinstance(messages, list):
        raise PayloadError("messages must be a list of messages", param="messages")
    return [(_role(message, f"messages.{i}"), message, f"messages.{i}") for i, message in enumerate(messages)]


def _role(message: Any, where: str) -> str:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(role, str) or role not in ROLES:
        raise PayloadError(f"the role must be one of {', '.join(ROLES)}", param=f"{where}.role")
    if message.get("function_call"):
        raise PayloadError("function_call is not supported: use tool_calls", param=f"{where}.function_call")
    return role


def parts_of(message: dict[str, Any], where: str, allowed: tuple[str, ...]) -> Iterator[Part]:
    """Yield the parts of a message's content; a text is one part, and an assistant may have none."""
    content = message.get("content")
    place = f"{where}.content"
    if content is None and message.get("role") == "assistant":
        return
    if isinstance(content, str):
        yield Part("text", {"text": content}, place)
        return
    if not isinstance(content, list):
        raise PayloadError("content must be text or a list of parts", param=place)
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in allowed:
            raise PayloadError(
                f"a part here must be one of {', '.join(allowed)}", param=f"{place}.{index}.type"
            )
        yield Part(kind, part, f"{place}.{index}")


def text_of(part: Part) -> str:
    """Return the text of a part of text or of a refusal."""
    text = part.said.get("refusal" if part.kind == "refusal" else "text")
    if not isinstance(text, str):
        raise PayloadError("a part of text needs its text", param=f"{part.where}.text")
    return text


def image_url_of(part: Part) -> str:
    """Return the address of an image, `data:` or other."""
    holder = part.said.get("image_url")
    url = holder.get("url") if isinstance(holder, dict) else holder
    if not isinstance(url, str):
        raise PayloadError("an image needs its url", param=f"{part.where}.image_url.url")
    return url


def data_of(url: Any, where: str) -> tuple[str, str]:
    """Return media type and base64 of a `data:` URL (RFC 2397)."""
    if isinstance(url, str) and url.startswith("data:"):
        head, comma, data = url[5:].partition(",")
        media_type, *parameters = head.split(";")
        if comma and parameters and parameters[-1] == "base64":
            kind = media_type.strip().lower()
            return {"image/jpg": "image/jpeg"}.get(kind, kind), data
    raise PayloadError("this must be a data: URL in base64", param=where)


def file_of(part: Part) -> tuple[str, str, str]:
    """Return media type, base64 and name of a file; of raw base64 the type is that of a PDF."""
    file = part.said.get("file")
    where = f"{part.where}.file.file_data"
    data = file.get("file_data") if isinstance(file, dict) else None
    if not isinstance(data, str) or not isinstance(file, dict):
        raise PayloadError("a part that is a file needs its data", param=where)
    name = file.get("filename")
    media_type, encoded = data_of(data, where) if data.startswith("data:") else ("application/pdf", data)
    return media_type, encoded, name if isinstance(name, str) else ""


def tool_calls_of(message: dict[str, Any], where: str) -> list[ToolCall]:
    """Return the calls of an assistant's message."""
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise PayloadError("tool_calls must be a list", param=f"{where}.tool_calls")
    return [_tool_call(call, f"{where}.tool_calls.{index}") for index, call in enumerate(calls)]


def _tool_call(call: Any, where: str) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call.get("id"), str):
        raise PayloadError("a tool call needs an id and a function", param=where)
    name, text = function.get("name"), function.get("arguments")
    if not isinstance(name, str):
        raise PayloadError("a tool call needs the function's name", param=f"{where}.function.name")
    if isinstance(text, dict):
        return ToolCall(call["id"], name, text, dumps(text).decode(), call)
    if text is not None and not isinstance(text, str):
        raise PayloadError("arguments must be text", param=f"{where}.function.arguments")
    arguments = json_object(text or "{}")
    return ToolCall(call["id"], name, arguments, text or "{}", call)


def called_id(message: dict[str, Any], where: str) -> str:
    """Return which call a tool's message answers."""
    called = message.get("tool_call_id")
    if not isinstance(called, str) or not called:
        raise PayloadError("a tool's message needs the id of its call", param=f"{where}.tool_call_id")
    return called


def json_object(text: str) -> dict[str, Any] | None:
    """Return the object that a text is; None when it is none."""
    try:
        value = loads(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def tools_of(payload: dict[str, Any]) -> list[Tool]:
    """Return the functions that the model may call."""
    tools = payload.get("tools") or []
    if not isinstance(tools, list):
        raise PayloadError("tools must be a list of tools", param="tools")
    return [_tool(tool, f"tools.{index}") for index, tool in enumerate(tools)]


def _tool(tool: Any, where: str) -> Tool:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or tool.get("type", "function") != "function":
        raise PayloadError("a tool must be a function", param=where)
    name, description = function.get("name"), function.get("description")
    if not isinstance(name, str):
        raise PayloadError("a function needs a name", param=f"{where}.function.name")
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise PayloadError("parameters must be a JSON schema", param=f"{where}.function.parameters")
    return Tool(name, description if isinstance(description, str) else "", parameters, function)


def tool_choice_of(payload: dict[str, Any]) -> tuple[str, str]:
    """Return `auto`, `required`, `none` or `function` and its name; empty where nothing is said."""
    choice = payload.get("tool_choice")
    if choice is None:
        return "", ""
    if isinstance(choice, str) and choice in ("auto", "required", "none"):
        return choice, ""
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return "function", function["name"]
    raise PayloadError(
        "tool_choice must be one of none, auto, required, or name a function", param="tool_choice"
    )


def schema_of(payload: dict[str, Any]) -> Schema | None:
    """Return the form of JSON that `response_format` wants; None for text."""
    wanted = payload.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return Schema(None, "answer")
    described = wanted.get("json_schema") if isinstance(wanted, dict) else None
    schema = described.get("schema") if isinstance(described, dict) else None
    if kind != "json_schema" or not isinstance(described, dict) or not isinstance(schema, dict):
        raise PayloadError(
            "response_format must be text, json_object, or json_schema with a schema", param="response_format"
        )
    name = described.get("name")
    return Schema(schema, name if isinstance(name, str) else "answer")


def stops_of(payload: dict[str, Any]) -> list[str]:
    """Return the texts at which the answer stops."""
    stop = payload.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise PayloadError("stop must be text or a list of texts", param="stop")
    return [one for one in stops if one]


def max_tokens_of(payload: dict[str, Any]) -> Any:
    """Return the most tokens that the answer may have; None when the caller does not say."""
    limit = payload.get("max_completion_tokens")
    return payload.get("max_tokens") if limit is None else limit


def thinking_budget(payload: dict[str, Any]) -> int | None:
    """Return the budget of Anthropic's `thinking`, which passes through: 0 is off, None not said."""
    thinking = payload.get("thinking")
    if not isinstance(thinking, dict):
        return None
    if thinking.get("type") == "disabled":
        return 0
    budget = thinking.get("budget_tokens")
    return budget if isinstance(budget, int) and not isinstance(budget, bool) else None


def effort_of(payload: dict[str, Any]) -> str:
    """Return OpenAI's `reasoning_effort`; empty when it is not said."""
    effort = payload.get("reasoning_effort")
    if effort is None:
        return ""
    if effort not in ("none", "minimal", "low", "medium", "high", "xhigh", "max"):
        raise PayloadError(
            "reasoning_effort must be one of none, minimal, low, medium, high, xhigh, max",
            param="reasoning_effort",
        )
    return str(effort)


def said(payload: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return the fields of a payload that are there, by their names in the other dialect."""
    return {new: payload[old] for old, new in names.items() if payload.get(old) is not None}
