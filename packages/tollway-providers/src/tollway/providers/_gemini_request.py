"""A chat request of OpenAI's dialect as the body of Gemini's `generateContent`; pure functions.

https://ai.google.dev/api/generate-content, which Vertex AI speaks too. Fields that only steer and have no
counterpart (`logit_bias`, `user`, `store`, `parallel_tool_calls`) are left out.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Any
from urllib.parse import urlsplit

from tollway.provider import PayloadError

from . import _chat_request as chat

_SAMPLING = {
    **{"temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed", "n": "candidateCount"},
    **{"presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty"},
}
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE", "function": "ANY"}
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192}
_FULL_BUDGET = 24576
_LEVELS = {"minimal": "minimal", "low": "low", "medium": "medium"}
"""Efforts as Google's own compatible API reads them: https://ai.google.dev/gemini-api/docs/openai#thinking."""

_NO_SIGNATURE = "skip_thought_signature_validator"
"""In the place of a signature that the client lost, or another model's call never had; else a 400:
https://ai.google.dev/gemini-api/docs/thought-signatures#faqs."""

_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
_AUDIO = {"wav": "audio/wav", "mp3": "audio/mp3"}
_GENERATION = re.compile(r"gemini-(\d+)")
_GOOGLE = ("https://", "gs://")

_USER_PARTS = ("text", "image_url", "input_audio", "file")
_GOOGLES_OWN = {
    "thinking_config": "thinkingConfig",
    "cached_content": "cachedContent",
    "safety_settings": "safetySettings",
}


def body_of(payload: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the body that asks what the caller asks.

    Raises:
        PayloadError: `generateContent` has no way to say it.
    """
    chat.refuse_unsayable(payload, several=True, logprobs=True)
    system, contents = _conversation(payload, signs=_generation(model) >= 3)
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    body |= _tools(payload)
    own = _googles_own(payload)
    config = {**_config(payload), **_thinking(payload, model, own.pop("thinkingConfig", None))}
    if config:
        body["generationConfig"] = config
    return body | own


def _conversation(
    payload: dict[str, Any], *, signs: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the parts of the system's instruction, and the turns; neighbours of one role are one turn."""
    system: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for role, message, where in chat.messages_of(payload):
        if role in ("system", "developer"):
            system += [_part(part) for part in chat.parts_of(message, where, ("text",))]
            continue
        if role == "assistant":
            speaker, parts = "model", _answer(message, where, names, signs=signs)
        elif role == "tool":
            speaker, parts = "user", _result(message, where, names)
        else:
            speaker, parts = "user", [_part(part) for part in chat.parts_of(message, where, _USER_PARTS)]
        if contents and contents[-1]["role"] == speaker:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": speaker, "parts": parts})
    if not contents:
        raise PayloadError("messages hold nothing that a model could answer", param="messages")
    return system, contents


def _answer(
    message: dict[str, Any], where: str, names: dict[str, str], *, signs: bool
) -> list[dict[str, Any]]:
    """Return what the model said before. The first call of a step has a signature, as newer models want."""
    parts = [_part(part) for part in chat.parts_of(message, where, ("text", "refusal"))]
    parts = [part for part in parts if part["text"]]
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        parts.append({"text": message["refusal"]})
    for number, call in enumerate(chat.tool_calls_of(message, where)):
        names[call.id] = call.name
        arguments = {"INVALID_JSON": call.text} if call.arguments is None else call.arguments
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments}}
        signature = _signature(call.said) or (_NO_SIGNATURE if signs and not number else "")
        parts.append({**part, "thoughtSignature": signature} if signature else part)
    return parts


def _signature(call: dict[str, Any]) -> str:
    """Return the signature that came with a call, where Google's compatible API puts it."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else ""


def _result(message: dict[str, Any], where: str, names: dict[str, str]) -> list[dict[str, Any]]:
    called = chat.called_id(message, where)
    name = names.get(called) or message.get("name")
    if not isinstance(name, str):
        raise PayloadError("no call before this message has its id", param=f"{where}.tool_call_id")
    parts = [_part(part) for part in chat.parts_of(message, where, _USER_PARTS)]
    text = "".join(part["text"] for part in parts if "text" in part)
    response = chat.json_object(text)
    output = {"output": text} if response is None else response
    seen = [part for part in parts if "text" not in part]
    return [{"functionResponse": {"name": name, "response": output}}, *seen]


def _part(part: chat.Part) -> dict[str, Any]:
    if part.kind in ("text", "refusal"):
        return {"text": chat.text_of(part)}
    if part.kind == "image_url":
        return _image(chat.image_url_of(part), f"{part.where}.image_url.url")
    if part.kind == "input_audio":
        return _audio(part)
    file = part.said.get("file")
    uri = file.get("file_id") if isinstance(file, dict) else None
    if isinstance(uri, str) and uri.startswith(_GOOGLE):
        return {"fileData": {"fileUri": uri, **_guessed(uri)}}
    media_type, data, _ = chat.file_of(part)
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _image(url: str, where: str) -> dict[str, Any]:
    if url.startswith((*_GOOGLE, "http://")):
        return {"fileData": {"fileUri": url, **_guessed(url)}}
    media_type, data = chat.data_of(url, where)
    return {"inlineData": {"mimeType": media_type, "data": data}}


def _audio(part: chat.Part) -> dict[str, Any]:
    audio = part.said.get("input_audio")
    kind = audio.get("format") if isinstance(audio, dict) else None
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(kind, str) or kind not in _AUDIO or not isinstance(data, str):
        raise PayloadError(
            "audio needs its data, and a format of wav or mp3", param=f"{part.where}.input_audio"
        )
    return {"inlineData": {"mimeType": _AUDIO[kind], "data": data}}


def _guessed(uri: str) -> dict[str, str]:
    """Return the media type that the name of a file tells."""
    media_type = mimetypes.guess_type(urlsplit(uri).path)[0]
    return {"mimeType": media_type} if media_type else {}


def _tools(payload: dict[str, Any]) -> dict[str, Any]:
    declared = [_declaration(tool) for tool in chat.tools_of(payload)]
    if not declared:
        return {}
    mode, name = chat.tool_choice_of(payload)
    said: dict[str, Any] = {"tools": [{"functionDeclarations": declared}]}
    if mode:
        only = {"allowedFunctionNames": [name]} if name else {}
        said["toolConfig"] = {"functionCallingConfig": {"mode": _MODES[mode], **only}}
    return said


def _declaration(tool: chat.Tool) -> dict[str, Any]:
    """Return a function; its schema is JSON Schema as it came."""
    described = {"description": tool.description} if tool.description else {}
    schema = {"parametersJsonSchema": tool.parameters} if tool.parameters else {}
    return {"name": tool.name, **described, **schema}


def _config(payload: dict[str, Any]) -> dict[str, Any]:
    config = chat.said(payload, _SAMPLING)
    if (limit := chat.max_tokens_of(payload)) is not None:
        config["maxOutputTokens"] = limit
    if stops := chat.stops_of(payload):
        config["stopSequences"] = stops
    if wanted := chat.schema_of(payload):
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            config["responseJsonSchema"] = wanted.schema
    if payload.get("logprobs"):
        config["responseLogprobs"] = True
        if payload.get("top_logprobs"):
            config["logprobs"] = payload["top_logprobs"]
    modalities = payload.get("modalities")
    if modalities is not None:
        if not isinstance(modalities, list) or not all(one in ("text", "image") for one in modalities):
            raise PayloadError("modalities may be text and image", param="modalities")
        config["responseModalities"] = [_MODALITIES[one] for one in modalities]
    return config


def _thinking(payload: dict[str, Any], model: str, own: Any) -> dict[str, Any]:
    """Return how much to think: in Google's words, in Anthropic's, or as `reasoning_effort` wants it."""
    if own is not None:
        return {"thinkingConfig": own}
    budget, effort = chat.thinking_budget(payload), chat.effort_of(payload)
    if budget is None and effort and (_generation(model) < 3 or effort == "none"):
        budget = _BUDGETS.get(effort, _FULL_BUDGET)
    if budget is not None:
        return {"thinkingConfig": {"thinkingBudget": budget, **({"includeThoughts": True} if budget else {})}}
    if not effort:
        return {}
    level = _LEVELS.get(effort, "high")
    if level == "minimal" and "pro" in model:  # the larger models have no such level
        level = "low"
    return {"thinkingConfig": {"thinkingLevel": level, "includeThoughts": True}}


def _googles_own(payload: dict[str, Any]) -> dict[str, Any]:
    """Return what Google's compatible API takes in `extra_body`: thinking, a cache, safety."""
    extra = payload.get("extra_body")
    google = extra.get("google") if isinstance(extra, dict) else payload.get("google")
    return chat.said(google, _GOOGLES_OWN) if isinstance(google, dict) else {}


def _generation(model: str) -> int:
    """Return the generation in a model's name; a name without one is a new model's."""
    found = _GENERATION.search(model)
    return int(found[1]) if found else 3
