"""What the data plane itself refuses, before any model is asked."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - an answer to the caller, not a fault of ours
    """A request that gets a 4xx from the gateway itself; `param` is the key at fault."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = headers
