"""An upstream that echoes, or answers with the bytes that it is given."""

from __future__ import annotations

import json
from contextlib import suppress
from random import Random

from support.dialects import OpenAI
from support.upstream import Exchange, Upstream

from .mutate import pieces


class FuzzUpstream(Upstream):
    """Models named `echo` repeat the last message; every other one answers `data`, as it is."""

    def __init__(self) -> None:
        self.data = b""
        self.random = Random(0)
        super().__init__(self._serve)

    def _serve(self, exchange: Exchange) -> None:
        self.requests.queue.clear()
        body = json.loads(exchange.body)
        dialect = OpenAI()
        with suppress(OSError):
            if body.get("model") != "echo":
                for piece in pieces(self.data, self.random):
                    exchange.send(piece)
                exchange.cut()
                return
            text = str(body["messages"][-1].get("content")) if isinstance(body["messages"][-1], dict) else ""
            if body.get("stream") is not True:
                exchange.answer(dialect.whole("echo", text))
                return
            events = [dialect.piece("echo", text), dialect.closing("echo"), dialect.terminator]
            exchange.answer(b"".join(events), content_type="text/event-stream")
