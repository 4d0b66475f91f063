"""From what a `predict` gives to what the caller asked for, in OpenAI's dialect; pure functions."""

from ._answers import answer_from
from ._chunks import ChunkEncoder
from ._merge import collect, stream_of

__all__ = ["ChunkEncoder", "answer_from", "collect", "stream_of"]
