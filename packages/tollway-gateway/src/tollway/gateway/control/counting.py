"""Which answers of the control plane are counted: all but those of probes, which come every few seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Message, Receive, Send], Awaitable[None]]
Answered = Callable[[int, str | None], None]
"""Is told the status of an answer, and its code if it is an error."""

_CODES = "tollway.codes"
"""Where a scope keeps the code of the error that is answered, for who counts it."""


def note_code(scope: Message, code: str) -> None:
    """Note the code of the error that this request is answered with."""
    codes = scope.get(_CODES)
    if codes is not None:
        codes.append(code)


class Counted:
    """Serves `app`, and tells `answered` of every answer; where `is_probe` says so only of errors."""

    def __init__(self, app: ASGIApp, is_probe: Callable[[str], bool], answered: Answered) -> None:
        self._app = app
        self._is_probe = is_probe
        self._answered = answered

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request."""
        codes: list[str] = []
        status: int | None = None

        async def watched(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app({**scope, _CODES: codes}, receive, watched)
        except Exception:
            status = status or 500  # the server's answer in its place
            raise
        finally:
            if status is not None and (codes or not self._is_probe(scope["path"])):
                self._answered(status, codes[-1] if codes else _code_of(status))


def _code_of(status: int) -> str | None:
    """Return the code of an error that nobody noted."""
    if status < 400:
        return None
    return "internal_error" if status >= 500 else "invalid_request"
