"""Answers of Gemini's `generateContent`, whole and streamed, in OpenAI's dialect.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tollway.provider import (
    Answer,
    AnswerInfo,
    Call,
    ErrorKind,
    ProviderError,
    ResponseError,
    UpstreamError,
)
from tollway.provider.json_text import dumps
from tollway.provider.usages import gemini_usage

from ._chunk_stream import EventStream, whole_answer

_FILTERED = frozenset(
    {
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"),
        *("IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"),
    }
)
_BROKEN = frozenset(
    {
        *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"),
        *("MISSING_THOUGHT_SIGNATURE", "NO_IMAGE", "IMAGE_OTHER", "OTHER", "LANGUAGE"),
    }
)
"""Reasons after which there is no answer, or half of one."""


def answer_of(response: Any, now_s: int) -> Answer:
    """Read a whole answer; `now_s` is the Unix time in seconds, which it does not tell.

    Raises:
        UpstreamError: the prompt was blocked, or the model broke off.
        ResponseError: it is no answer.
    """
    if not isinstance(response, dict):
        raise ResponseError("the model's service answered with something that is not a JSON object")
    raise_if_blocked(response)
    candidates = _candidates(response)
    if not candidates:
        raise ResponseError("the model's service answered without candidates")
    answer_id = _text(response, "responseId")
    choices = [_choice(candidate, number, answer_id) for number, candidate in enumerate(candidates)]
    info = AnswerInfo(
        answer_id or None,
        _text(response, "modelVersion") or None,
        gemini_usage(response.get("usageMetadata")),
        tuple(choice["finish_reason"] for choice in choices),
    )
    return whole_answer(info, now_s, choices)


class GeminiStream(EventStream):
    """A decoder of `streamGenerateContent?alt=sse`; see `StreamDecoder`. Its end is that of the bytes."""

    def __init__(
        self, call: Call, redact: Callable[[str], str], now_s: int, whole: Callable[[bytes], Answer]
    ) -> None:
        super().__init__(call, redact, now_s, whole)
        self._calls: dict[int, int] = {}

    def on(self, event: dict[str, Any], name: str) -> Iterator[bytes]:
        """Yield the chunks of one response, which is a part of the answer."""
        try:
            raise_if_blocked(event)
            yield from self._chunks(event)
        except ProviderError as error:
            self.error = error

    def _chunks(self, event: dict[str, Any]) -> Iterator[bytes]:
        self.name(_text(event, "responseId"), _text(event, "modelVersion"))
        self.info.usage = gemini_usage(event.get("usageMetadata")) or self.info.usage
        for candidate in _candidates(event):
            index = candidate.get("index")
            index = index if isinstance(index, int) else 0
            if len(self._finishes) > _MAX_CANDIDATES:
                raise ResponseError("the model's stream has more candidates than were asked for")
            yield from self._candidate(candidate, index)

    def _candidate(self, candidate: dict[str, Any], index: int) -> Iterator[bytes]:
        calls = self._calls.setdefault(index, 0)
        message = _message(candidate, self.info.id or "", index, calls)
        for number, call in enumerate(message.get("tool_calls", ())):
            call["index"] = calls + number
        self._calls[index] += len(message.get("tool_calls", ()))
        logprobs = {"logprobs": found} if (found := _logprobs(candidate)) else {}
        if message:
            yield self._chunk(message, None, index, **logprobs)
        if finish := _finish(candidate, called=self._calls[index] > 0):
            yield self._chunk({}, finish, index)


_MAX_CANDIDATES = 128


def raise_if_blocked(response: dict[str, Any]) -> None:
    """Raise the refusal of a prompt that a filter blocked: there is no candidate then."""
    feedback = response.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not isinstance(reason, str) or reason == "BLOCK_REASON_UNSPECIFIED" or _candidates(response):
        return
    said = _text(feedback, "blockReasonMessage")
    raise UpstreamError(
        f"the prompt was blocked ({reason}){': ' + said if said else ''}",
        upstream_status=400,
        status=400,
        code="content_filter",
        kind=ErrorKind.CONTENT_FILTER,
    )


def _candidates(response: dict[str, Any]) -> list[dict[str, Any]]:
    found = response.get("candidates")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _choice(candidate: dict[str, Any], index: int, answer_id: str) -> dict[str, Any]:
    message = _message(candidate, answer_id, index, 0)
    finish = _finish(candidate, called="tool_calls" in message)
    if finish is None:
        raise ResponseError("the model's service answered without saying why it stopped")
    content = message.pop("content", None if "tool_calls" in message else "")
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    return {"message": said, "finish_reason": finish, "logprobs": _logprobs(candidate)}


def _finish(candidate: dict[str, Any], *, called: bool) -> str | None:
    """Return OpenAI's word for why a candidate ended; None while it goes on.

    Raises:
        UpstreamError: the model broke off.
    """
    reason = candidate.get("finishReason")
    if not isinstance(reason, str) or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    if reason in _BROKEN:
        said = _text(candidate, "finishMessage")
        raise UpstreamError(
            f"the model broke the answer off with {reason}{': ' + said if said else ''}",
            upstream_status=502,
            status=502,
            code=reason.lower(),
        )
    if reason == "MAX_TOKENS":
        return "length"
    if reason in _FILTERED:
        return "content_filter"
    return "tool_calls" if called else "stop"


def _message(candidate: dict[str, Any], answer_id: str, index: int, calls: int) -> dict[str, Any]:
    """Return what a candidate says: text, thoughts, images, calls. A kind of part not known is left out."""
    content = candidate.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    texts = [_text(part, "text") for part in parts if part.get("thought") is not True]
    thoughts = [_text(part, "text") for part in parts if part.get("thought") is True]
    images = [url for part in parts if (url := _image(part))]
    called = [part for part in parts if isinstance(part.get("functionCall"), dict)]
    said: dict[str, Any] = {}
    if any(texts):
        said["content"] = "".join(texts)
    if any(thoughts):
        said["reasoning_content"] = "".join(thoughts)
    if images:
        said["images"] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    if called:
        made = f"call_{answer_id}_{index}_"
        said["tool_calls"] = [_call(part, f"{made}{calls + n}") for n, part in enumerate(called)]
    return said


def _call(part: dict[str, Any], made_id: str) -> dict[str, Any]:
    call = part["functionCall"]
    arguments = dumps(call.get("args") or {}).decode()
    said: dict[str, Any] = {
        "id": _text(call, "id") or made_id,
        "type": "function",
        "function": {"name": _text(call, "name"), "arguments": arguments},
    }
    if signature := _text(part, "thoughtSignature"):
        said["extra_content"] = {"google": {"thought_signature": signature}}
    return said


def _image(part: dict[str, Any]) -> str:
    """Return a picture in an answer as a `data:` URL; empty when there is none."""
    data = part.get("inlineData")
    if not isinstance(data, dict) or part.get("thought") is True:
        return ""
    return f"data:{_text(data, 'mimeType')};base64,{_text(data, 'data')}"


def _logprobs(candidate: dict[str, Any]) -> dict[str, Any] | None:
    result = candidate.get("logprobsResult")
    if not isinstance(result, dict):
        return None
    chosen, tops = _dicts(result.get("chosenCandidates")), _dicts(result.get("topCandidates"))
    content = []
    for number, one in enumerate(chosen):
        top = _dicts(tops[number].get("candidates")) if number < len(tops) else []
        content.append({**_logprob(one), "top_logprobs": [_logprob(other) for other in top]})
    return {"content": content, "refusal": None}


def _logprob(one: dict[str, Any]) -> dict[str, Any]:
    token, value = _text(one, "token"), one.get("logProbability")
    number = value if isinstance(value, int | float) else None
    return {"token": token, "logprob": number, "bytes": list(token.encode("utf-8", "replace"))}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(holder: Any, key: str) -> str:
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""
