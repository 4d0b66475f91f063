"""Prompts and answers in the JSON of the GenAI conventions: recorded only where the config says so.

`gen_ai.input.messages`, `gen_ai.output.messages`, `gen_ai.system_instructions`, `gen_ai.tool.definitions`:
https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from tollway.provider.json_text import dumps

if TYPE_CHECKING:
    from tollway.gateway.apis import API, APICall

_MAX_STREAM_BYTES = 4 * 1024 * 1024
"""Bytes of one stream that are kept for its span."""


class Content(Protocol):
    """What a span keeps of the content of one call."""

    def asked(self, call: APICall) -> dict[str, str]:
        """Return the attributes of the request."""

    def saw(self, events: bytes) -> None:
        """Look at events of a stream in passing."""

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return the attributes of the answer: of a whole one, or (None) of the stream seen."""


class NoContent:
    """Keeps nothing."""

    def asked(self, call: APICall) -> dict[str, str]:
        """Return nothing."""
        return {}

    def saw(self, events: bytes) -> None:
        """Look away."""

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return nothing."""
        return {}


class CapturedContent:
    """Keeps prompts and answers; of a stream, at most its first four megabytes."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._room = _MAX_STREAM_BYTES
        self._api: API | None = None

    def asked(self, call: APICall) -> dict[str, str]:
        """Return `gen_ai.input.messages`, and where there are some, instructions beside them and tools."""
        self._api = api = call.api
        payload = call.payload
        try:
            found = {"gen_ai.input.messages": list(api.input_messages(payload))}
            if instructions := api.instructions(payload):
                found["gen_ai.system_instructions"] = instructions
            if tools := api.tools(payload):
                found["gen_ai.tool.definitions"] = tools
            return {name: _json(content) for name, content in found.items()}
        except (TypeError, RecursionError):  # nested too deep to be written
            return {}

    def saw(self, events: bytes) -> None:
        """Keep the events for later: nothing is parsed while the stream goes."""
        if self._room > 0:
            self._room -= len(events)
            self._events.append(events)

    def answered(self, body: bytes | None) -> dict[str, str]:
        """Return `gen_ai.output.messages`."""
        try:
            messages = [] if self._api is None else self._api.output_messages(body, self._events)
            return {"gen_ai.output.messages": _json(messages)} if messages else {}
        except (ValueError, TypeError, RecursionError):  # it cannot be read, or is nested too deep
            return {}


def _json(value: Any) -> str:
    return dumps(value).decode()
