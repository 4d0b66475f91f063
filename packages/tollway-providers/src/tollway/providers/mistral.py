"""Mistral AI: OpenAI's dialect with deviations, https://docs.mistral.ai/api/endpoint/chat.

A request with a field that it does not know is a 422 there, so what other models said before has to be said
in its words.
"""

from __future__ import annotations

import hashlib
import string
from typing import Any

from tollway.provider import Answer, Call, StreamDecoder, Task, UpstreamResponse

from ._content_parts import plain_content_stream, with_plain_content
from ._services import MISTRAL
from .compatible import CompatibleProvider, provider_of

_MESSAGE_FIELDS = ("role", "content", "tool_calls", "tool_call_id", "prefix")
"""The fields of a message; those of other services' answers come back in the history."""

_ID_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 9
"""An id of a tool call is nine letters and digits."""


class _Mistral(CompatibleProvider):
    """Chat with its answers as text, and embeddings."""

    def payload_of(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the payload with the messages as Mistral takes them."""
        payload = super().payload_of(payload)
        messages = payload.get("messages")
        if not isinstance(messages, list):
            return payload
        said = [_message(message) for message in messages]
        return payload if said == messages else {**payload, "messages": said}

    def response(self, call: Call, response: UpstreamResponse) -> Answer:
        """Read a whole answer; what it thought is beside its text."""
        answer = super().response(call, response)
        return answer if call.task is Task.EMBEDDINGS else with_plain_content(answer)

    def stream(self, call: Call) -> StreamDecoder:
        """Return a decoder for one stream."""
        return plain_content_stream(super().stream(call))


MistralProvider = provider_of(MISTRAL, _Mistral)


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    said = {key: value for key, value in message.items() if key in _MESSAGE_FIELDS and value is not None}
    if said.get("role") == "developer":
        said["role"] = "system"
    if isinstance(said.get("tool_call_id"), str):
        said["tool_call_id"] = tool_call_id(said["tool_call_id"])
    if isinstance(said.get("tool_calls"), list):
        said["tool_calls"] = [_call(call) for call in said["tool_calls"]]
    return said


def _call(call: Any) -> Any:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str):
        return call
    known = {key: value for key, value in call.items() if key in ("type", "function")}
    return {"id": tool_call_id(call["id"]), **known}


def tool_call_id(given: str) -> str:
    """Return an id of nine letters and digits: its own, or the same one for the same id each time."""
    if len(given) == _ID_LENGTH and all(char in _ID_CHARS for char in given):
        return given
    digest = hashlib.sha256(given.encode("utf-8", "replace")).digest()
    return "".join(_ID_CHARS[byte % len(_ID_CHARS)] for byte in digest[:_ID_LENGTH])
