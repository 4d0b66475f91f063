"""The parts of a message, whoever wrote them: text, reasoning, tool calls and results, images, other JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tollway.tracing.readers.views import decoded

Part = dict[str, Any]
"""`type`, and what goes with it: text, reasoning (`text`), tool_call (`id`, `name`, `arguments`), tool_result
(`id`, `name`, `content`), image (`url`), json (`value`).
"""

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Pictures that a page may show: none of them can hold a script."""


def parts_of(content: Any) -> list[Part]:
    """Return the parts of a message's content: a text, a part, or a list of both."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if isinstance(content, Mapping):
        return [_part(content)]
    if isinstance(content, Sequence):
        return [part for item in content for part in parts_of(item)]
    return [{"type": "json", "value": content}]


def _part(item: Mapping[str, Any]) -> Part:
    kind = str(item.get("type", ""))
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(item)
    if isinstance(item.get("function"), Mapping):  # OpenAI's calls, also where nobody gave their type
        return _call(item)
    if isinstance(item.get("text"), str):
        return {"type": "text", "text": item["text"]}
    return {"type": "json", "value": item}


def _text(item: Mapping[str, Any]) -> Part:
    said = item.get("content", item.get("text"))
    return {"type": "text", "text": said if isinstance(said, str) else str(said or "")}


def _reasoning(item: Mapping[str, Any]) -> Part:
    said = item.get("content", item.get("thinking", item.get("text", item.get("reasoning"))))
    return {"type": "reasoning", "text": said if isinstance(said, str) else str(said or "")}


def _call(item: Mapping[str, Any]) -> Part:
    inner = item.get("function")
    function = inner if isinstance(inner, Mapping) else item
    arguments = function.get("arguments", function.get("input"))
    identity = item.get("id", item.get("call_id"))
    return {
        "type": "tool_call",
        "id": identity,
        "name": function.get("name"),
        "arguments": decoded(arguments),
    }


def _result(item: Mapping[str, Any]) -> Part:
    said = next((item[key] for key in ("response", "result", "content", "output") if key in item), None)
    identity = next((item[key] for key in ("id", "tool_use_id", "call_id") if item.get(key)), None)
    return {"type": "tool_result", "id": identity, "name": item.get("name"), "content": decoded(said)}


def _image(item: Mapping[str, Any]) -> Part:
    """Return a picture that is in the trace itself; of one elsewhere its address, which no page loads."""
    source = item.get("image_url", item.get("image", item.get("source", item)))
    if isinstance(source, str):
        return {"type": "image", "url": source}
    if not isinstance(source, Mapping):
        return {"type": "json", "value": item}
    if isinstance(source.get("image"), Mapping):  # OpenInference
        source = source["image"]
    url = source.get("url", source.get("uri"))
    data = source.get("data", source.get("content"))
    mime = str(source.get("mime_type", source.get("media_type", "")))
    if isinstance(url, str):
        return {"type": "image", "url": url}
    if isinstance(data, str) and mime in _IMAGE_TYPES:
        return {"type": "image", "url": f"data:{mime};base64,{data}"}
    return {"type": "json", "value": item}


def _blob(item: Mapping[str, Any]) -> Part:
    is_image = item.get("modality") == "image" or str(item.get("mime_type", "")).startswith("image/")
    return _image(item) if is_image else {"type": "json", "value": item}


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Part]] = {
    **dict.fromkeys(("text", "input_text", "output_text", "refusal"), _text),
    **dict.fromkeys(("reasoning", "thinking"), _reasoning),
    **dict.fromkeys(("tool_call", "tool_use", "function", "function_call"), _call),
    **dict.fromkeys(("tool_call_response", "tool_result", "function_call_output"), _result),
    **dict.fromkeys(("image", "image_url", "input_image"), _image),
    **dict.fromkeys(("blob", "uri", "file"), _blob),
}
