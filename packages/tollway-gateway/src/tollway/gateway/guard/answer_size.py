"""How many JSON values a model's answer may have: what is parsed of it takes far more memory than its bytes.

A whole answer has at most one value for every `BYTES_PER_VALUE` bytes that it may have: embeddings and log
probabilities take more bytes for each. One event of a stream has at most a quarter of that.
"""

from __future__ import annotations

from tollway.provider import ResponseError

from .json_size import nodes_of

BYTES_PER_VALUE = 4

_CODE = "upstream_response_too_large"

SMALL_EVENT_BYTES = 1024 * 1024
"""In an event up to this size values are not counted."""

_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class AnswerSize:
    """The bound for the answers of one endpoint, of which each has at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self.max_nodes = max_bytes // BYTES_PER_VALUE
        """Also the bytes up to which an answer cannot have too many, and need not be checked."""

    def check(self, body: bytes) -> None:
        """Refuse a whole answer with too many values. Raises ResponseError (502)."""
        if nodes_of(body, self.max_nodes) > self.max_nodes:
            raise _too_many("answer", self.max_nodes)

    def of_events(self) -> EventSize:
        """Return what watches the events of one stream."""
        return EventSize(self.max_nodes // 4)


class EventSize:
    """Counts the values of an event that has become large, in the pieces in which it comes.

    Whoever reads adds the length of each piece to `so_far_bytes`, and has it checked when those are more than
    `SMALL_EVENT_BYTES`.
    """

    __slots__ = ("_max_nodes", "_nodes", "so_far_bytes")

    def __init__(self, max_nodes: int) -> None:
        self._max_nodes = max_nodes
        self._nodes = 0
        self.so_far_bytes = 0

    def check(self, data: bytes) -> None:
        """Take more of a large event. Raises ResponseError (502).

        Where a piece ends an event, all that is in it counts for the next one.
        """
        end = max(map(data.rfind, _ENDS))
        if end >= 0:
            self._nodes = 0
            self.so_far_bytes = len(data) - end
        self._nodes += data.count(b",") + data.count(b"[") + 3 * data.count(b"{")
        if self._nodes > self._max_nodes:
            raise _too_many("event", self._max_nodes)


def _too_many(what: str, max_nodes: int) -> ResponseError:
    return ResponseError(
        f"an {what} of the model has more than {max_nodes} JSON values, an object counting as three; "
        "the gateway's server.max_answer_bytes says how many it may have",
        code=_CODE,
    )
