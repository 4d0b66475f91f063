"""Tools of OpenAI's Responses API as functions of its chat, and their calls back as items; pure functions.

https://platform.openai.com/docs/api-reference/responses/create#responses_create-tools. Chat has functions
alone: a tool of another kind is one under a name of its own, and `Tools.declared` knows what it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from tollway.provider import PayloadError
from tollway.provider.json_text import dumps, loads

from ._fields import objects, texts, unsayable

_MAX_NAME = 64
"""Characters of a function's name in chat."""

_ODD = re.compile(r"[^a-zA-Z0-9_-]")

_FREEFORM = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The input of a custom tool, whose text has no form: a function takes it as its one argument."""

_SHELL = {
    "name": "local_shell",
    "description": "Runs a command on the caller's machine. The first string is the program.",
    "parameters": {
        "type": "object",
        "properties": {
            "command": {"type": "array", "items": {"type": "string"}},
            "working_directory": {"type": "string"},
            "timeout_ms": {"type": "integer"},
        },
        "required": ["command"],
    },
}

_OFFERED = frozenset({"web_search", "web_search_preview", "image_generation"})
"""Tools of OpenAI's servers that coding agents offer beside their own; a model can do without."""


class Declared(NamedTuple):
    """A tool as the caller declared it: its type, its name, and the namespace that it stands in."""

    kind: str
    name: str
    namespace: str = ""


class Tools(NamedTuple):
    """What chat says of the tools, what each is by its name there, and which of them are left out."""

    said: dict[str, Any]
    declared: dict[str, Declared]
    dropped: tuple[str, ...]


def tools_of(payload: dict[str, Any], items: Iterable[dict[str, Any]]) -> Tools:
    """Return the tools of a request: its own, and those that items of the conversation add.

    Raises:
        PayloadError: chat has no form for one of them.
    """
    functions: dict[str, dict[str, Any]] = {}
    declared: dict[str, Declared] = {}
    hosted = []
    for where, namespace, tool in _declarations(payload, items):
        kind = tool.get("type")
        if isinstance(kind, str) and kind in _OFFERED:
            hosted.append(where)
            continue
        if not isinstance(kind, str) or kind not in _FUNCTIONS:
            raise unsayable(where, f"the tool {kind!r}")
        function = _FUNCTIONS[kind](tool, where)
        name = chat_name(function["name"], namespace)
        declared[name] = Declared(kind, function["name"], namespace)
        functions[name] = {"type": "function", "function": {**function, "name": name}}
    choice = payload.get("tool_choice")
    if hosted and (not functions or choice not in (None, "auto")):
        raise unsayable(hosted[0], "a tool of OpenAI's servers")
    if not functions:
        return Tools({}, {}, ())
    said: dict[str, Any] = {"tools": [*functions.values()]}
    said["parallel_tool_calls"] = payload.get("parallel_tool_calls")
    if choice is not None:
        said["tool_choice"] = _choice(choice)
    return Tools(said, declared, tuple(hosted))


def chat_name(name: str, namespace: Any) -> str:
    """Return how a tool is called in chat: one name for both parts of it, which differs where either does."""
    if not isinstance(namespace, str) or not namespace:
        return name
    whole = f"{namespace}__{name}"
    fitting = _ODD.sub("_", whole)
    if fitting == whole and len(whole) <= _MAX_NAME:
        return whole
    digest = hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{fitting[: _MAX_NAME - len(digest) - 1]}_{digest}"


def freeform(arguments: str) -> str:
    """Return the text of a custom tool's input; a model that did not keep to the form said it bare."""
    given = _object(arguments).get("input")
    return given if isinstance(given, str) else arguments


def call_fields(declared: Declared, arguments: str) -> tuple[str, dict[str, Any]]:
    """Return the prefix of a call's id, and the fields that only a call of this kind has."""
    if declared.kind == "custom":
        return "ctc", {"type": "custom_tool_call", "input": freeform(arguments) if arguments else ""}
    if declared.kind == "local_shell":
        given = _object(arguments)
        known: dict[str, Any] = {
            key: given[key] for key in ("working_directory", "timeout_ms") if key in given
        }
        action: dict[str, Any] = {"type": "exec", "command": given.get("command", []), "env": {}, **known}
        return "lsh", {"type": "local_shell_call", "action": action}
    if declared.kind == "tool_search":
        return "tsc", {
            "type": "tool_search_call",
            "execution": "client",
            "arguments": _object(arguments),
        }
    return "fc", {"type": "function_call", "arguments": arguments}


def names_of(declared: Declared) -> dict[str, str]:
    """Return how a call names its tool; shells and searches have no name but their type."""
    if declared.kind in ("local_shell", "tool_search"):
        return {}
    namespace = {"namespace": declared.namespace} if declared.namespace else {}
    return {"name": declared.name, **namespace}


def _declarations(
    payload: dict[str, Any], items: Iterable[dict[str, Any]]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each tool with its place and its namespace; the request's own come last, and win."""
    for item in items:
        if item.get("type") in ("additional_tools", "tool_search_output"):
            for where, namespace, tool in _flat(item.get("tools"), "input"):
                if isinstance(tool.get("type"), str) and tool["type"] in _FUNCTIONS:
                    yield where, namespace, tool
    yield from _flat(payload.get("tools"), "tools")


def _flat(tools: Any, place: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for index, tool in enumerate(objects(tools, place)):
        where = f"{place}.{index}"
        if tool.get("type") != "namespace":
            yield where, "", tool
            continue
        namespace = texts(tool.get("name"), f"{where}.name")
        for inner in objects(tool.get("tools"), f"{where}.tools"):
            yield where, namespace, inner


def _function(tool: dict[str, Any], where: str) -> dict[str, Any]:
    said = {key: tool[key] for key in ("description", "parameters", "strict") if tool.get(key) is not None}
    return {"name": texts(tool.get("name"), f"{where}.name"), **said}


def _custom(tool: dict[str, Any], where: str) -> dict[str, Any]:
    """Return a custom tool, the grammar that its input must follow in its description."""
    said, form = str(tool.get("description") or ""), tool.get("format")
    grammar = form.get("definition") if isinstance(form, dict) else None
    if isinstance(form, dict) and isinstance(grammar, str):
        said += f"\n\nThe input follows this {form.get('syntax') or 'lark'} grammar:\n{grammar}"
    return {"name": texts(tool.get("name"), f"{where}.name"), "description": said, "parameters": _FREEFORM}


def _search(tool: dict[str, Any], where: str) -> dict[str, Any]:
    if tool.get("execution") != "client":
        raise unsayable(where, "a search of tools by OpenAI's servers")
    return _function({**tool, "name": "tool_search"}, where)


_FUNCTIONS: dict[str, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    "function": _function,
    "custom": _custom,
    "local_shell": lambda tool, where: _SHELL,
    "tool_search": _search,
}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind in ("function", "custom") and isinstance(choice.get("name"), str):
        name = chat_name(choice["name"], choice.get("namespace"))
        return {"type": "function", "function": {"name": name}}
    if kind == "local_shell":
        return {"type": "function", "function": {"name": kind}}
    raise PayloadError("tool_choice must be none, auto, required, or name a function", param="tool_choice")


def _object(arguments: str) -> dict[str, Any]:
    try:
        said = loads(arguments.encode())
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def shell_arguments(item: dict[str, Any]) -> str:
    """Return the arguments of a shell's call that the caller sends back."""
    action = item.get("action")
    kept = ("command", "working_directory", "timeout_ms")
    given: dict[str, Any] = action if isinstance(action, dict) else {}
    return dumps({key: given[key] for key in kept if given.get(key) is not None}).decode()
