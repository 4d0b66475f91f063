"""What Anthropic's Messages API accepts: the types of its own SDK, held strictly, and the documented rules.

The SDK's types are read leniently by pydantic: lists are looked at when they are iterated, and unknown keys
are dropped. Here a list is a list, an unknown key is refused, and a number is not a text.
"""

from __future__ import annotations

import collections.abc
import functools
import hashlib
import operator
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict, Union, get_args, get_origin

import typing_extensions
from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaParamsBase
from anthropic.types.message_create_params import MessageCreateParamsBase
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

VERSIONS = ("2023-06-01", "2026-10-21")
"""https://platform.claude.com/docs/en/api/versioning."""

_TYPE = re.compile(r"Param$|Typed$|\[")
"""A part of a problem's place that names a type of the SDK, and not a key."""

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


_REQUIRED = (Required, typing_extensions.Required)


class RefusalError(Exception):
    """A request that the API refuses, in its words."""


class _Sampling(TypedDict, total=False):
    """Documented for version 2023-06-01; the version after it, which the SDK speaks, has none of them."""

    temperature: Annotated[float, Field(ge=0, le=1)]
    top_p: Annotated[float, Field(ge=0, le=1)]
    top_k: Annotated[int, Field(ge=0)]


def check(body: Any, version: str, *, beta: bool = False) -> None:
    """Refuse what the API refuses; a request that names betas may have their fields.

    Raises:
        RefusalError: with the place and the reason of the first problem.
    """
    try:
        _request(version, beta).validate_python(body)
    except ValidationError as error:
        # Of a union every member complains: the deepest complaint is that of the member that was meant.
        problem = max(error.errors(), key=lambda one: len(one["loc"]))
        place = ".".join(str(part) for part in problem["loc"] if not _TYPE.search(str(part)))
        raise RefusalError(f"{place}: {problem['msg']}") from error
    for rule in _RULES:
        rule(body)


def sign(thinking: str) -> str:
    """Return the signature of thinking, by which the API knows it for its own."""
    return "sig-" + hashlib.sha256(thinking.encode()).hexdigest()[:16]


@functools.cache
def _request(version: str, beta: bool) -> TypeAdapter[Any]:
    older = _fields(_Sampling) if version == VERSIONS[0] else {}
    fields = (
        _fields(BetaParamsBase if beta else MessageCreateParamsBase) | {"stream": NotRequired[bool]} | older
    )
    # These are headers, though the SDK takes them among the fields.
    for header in ("workspace_id", "user_profile_id", "betas"):
        fields.pop(header, None)
    return TypeAdapter(_closed("Request", fields))


def _fields(typed: Any) -> dict[str, Any]:
    hints = typing_extensions.get_type_hints(typed, include_extras=True)
    return {
        name: (Required if _is_required(typed, name, hint) else NotRequired)[_strict(hint)]
        for name, hint in hints.items()
    }


def _is_required(typed: Any, name: str, hint: Any) -> bool:
    # The SDK's annotations are text until they are read: `__required_keys__` alone has not seen them.
    return get_origin(hint) in _REQUIRED or name in typed.__required_keys__


def _closed(name: str, fields: dict[str, Any]) -> Any:
    made: Any = typing_extensions.TypedDict(name, fields)  # type: ignore[operator]  # made at run time
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    return made


@functools.cache
def _strict(hint: Any) -> Any:
    """Return the same type without its leniencies."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        open_ended = getattr(hint, "__pydantic_config__", {}).get("extra") == "allow"
        return hint if open_ended else _closed(hint.__name__, _fields(hint))
    if origin in (*_REQUIRED, NotRequired, typing_extensions.NotRequired):
        return _strict(arguments[0])
    if origin is Annotated:
        return hint if get_origin(arguments[0]) is not Union else _strict(arguments[0])
    if origin is Union:
        return functools.reduce(operator.or_, map(_strict, filter(_is_json, arguments)))
    if isinstance(origin, type) and origin is not dict and issubclass(origin, collections.abc.Iterable):
        return list[_strict(arguments[0])]  # type: ignore[misc]  # made at run time
    return hint


def _is_json(member: Any) -> bool:
    """Tell a type of JSON from an answer's model or an open file, which only the SDK turns into JSON."""
    inner = get_args(member)[0] if get_origin(member) is Annotated else member
    if get_origin(inner) is Union:
        return any(_is_json(one) for one in get_args(inner))
    if isinstance(inner, type) and not is_typeddict(inner):
        return inner in (str, int, float, bool, type(None)) and not issubclass(inner, BaseModel)
    return is_typeddict(inner) or get_origin(inner) in (
        dict,
        list,
        collections.abc.Iterable,
        Literal,
    )


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _refuse(problem: bool, said: str) -> None:
    if problem:
        raise RefusalError(said)


def _conversation(body: dict[str, Any]) -> None:
    messages = body["messages"]
    _refuse(not messages, "messages: at least one message is required")
    _refuse(messages[0]["role"] != "user", 'messages: first message must use the "user" role')
    _refuse(body["max_tokens"] < 1, "max_tokens: must be greater than or equal to 1")


def _texts(body: dict[str, Any]) -> None:
    system = body.get("system") or []
    said = [{"content": system}, *body["messages"]]
    for block in [block for message in said for block in _blocks(message)]:
        _refuse(block["type"] == "text" and not block["text"].strip(), "messages: text must be non-empty")
        inner = block.get("content") if block["type"] == "tool_result" else None
        _refuse(inner == [], "messages: a tool_result's content must be non-empty")


def _tool_results(body: dict[str, Any]) -> None:
    """Each call is answered in the very next turn, and nothing is answered that was not called."""
    called: list[str] = []
    for message in body["messages"]:
        blocks = _blocks(message)
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        _refuse(not set(answered) <= set(called), "messages: unexpected tool_use_id in a tool_result")
        _refuse(not set(called) <= set(answered), "messages: tool_use ids without tool_result right after")
        called = [block["id"] for block in blocks if block["type"] == "tool_use"]
        _refuse(any(not _NAME.fullmatch(id) for id in called), "messages: a tool_use id has odd characters")
        kinds = [block["type"] for block in blocks]
        late = "tool_result" in kinds[kinds.count("tool_result") :]
        _refuse(late, "messages: tool_result blocks must come first in their turn")


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools", [])
    names = [tool["name"] for tool in tools]
    _refuse(not all(_NAME.fullmatch(name) for name in names), "tools: a name has odd characters")
    _refuse(len(set(names)) < len(names), "tools: names must be unique")
    _refuse(
        any(tool["input_schema"].get("type") != "object" for tool in tools if "input_schema" in tool),
        "tools: type must be object",
    )
    choice = body.get("tool_choice")
    _refuse(choice is not None and not tools, "tool_choice: may only be given with tools")
    _refuse((choice or {}).get("name", "") not in ["", *names], "tool_choice: there is no such tool")


def _thinking(body: dict[str, Any]) -> None:
    config = body.get("thinking", {})
    if config.get("type") == "enabled":
        fits = 1024 <= config["budget_tokens"] < body["max_tokens"]
        _refuse(not fits, "thinking.budget_tokens: at least 1024, and less than max_tokens")
    if config.get("type") in ("enabled", "adaptive"):
        own = body.get("temperature", 1) == 1 and body.get("top_p", 1) >= 0.95 and "top_k" not in body
        _refuse(not own, "thinking: takes no temperature but 1, no top_p below 0.95, and no top_k")
        forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
        _refuse(forced, "thinking: may not be enabled when tool_choice forces tool use")
    for block in [block for message in body["messages"] for block in _blocks(message)]:
        forged = block["type"] == "thinking" and sign(block["thinking"]) != block["signature"]
        _refuse(forged, "messages: invalid signature in thinking block")


def _stops(body: dict[str, Any]) -> None:
    blank = [stop for stop in body.get("stop_sequences", []) if not stop.strip()]
    _refuse(bool(blank), "stop_sequences: each stop sequence must contain non-whitespace")


_UNSUPPORTED = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength"} | {
    *("maxLength", "maxItems", "minProperties", "maxProperties", "uniqueItems", "oneOf")
}


def _structured(body: dict[str, Any]) -> None:
    """https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations."""
    wanted = body.get("output_config", {}).get("format") or {}
    schemas = [tool["input_schema"] for tool in body.get("tools", []) if tool.get("strict")]
    for node in [node for schema in [*schemas, wanted.get("schema")] for node in _objects(schema)]:
        opened = node.get("type") == "object" and node.get("additionalProperties") is not False
        _refuse(opened, "schema: for 'object' type, 'additionalProperties' must be explicitly set to false")
        _refuse(bool(_UNSUPPORTED & set(node)), f"schema: {_UNSUPPORTED & set(node)} are not supported")


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _objects(inner)


_RULES = (_conversation, _texts, _tool_results, _tools, _thinking, _stops, _structured)
