"""Translators: a front door's dialect into OpenAI's chat and back.

OpenAI's chat is the hub, so that fronts x services stay fronts + services. `FRONTS` has what translates a
front's requests, by the dialect's name. A provider with a dialect of its own reads chat (see
`tollway.providers.translators`) and adds what it understands beyond chat to its `extensions`.
"""

from .contract import Answering, Sources, StreamWriter, Translation
from .fronts import FRONTS

__all__ = ["FRONTS", "Answering", "Sources", "StreamWriter", "Translation"]
