"""From what a `predict` gives to what the caller asked for, in OpenAI's dialect; pure functions."""

from ._answers import answer_from
from ._chunks import ChunkEncoder
from ._merge import Collector, collect, stream_of

__all__ = ["ChunkEncoder", "Collector", "answer_from", "collect", "stream_of"]
