"""What a provider with a dialect of its own needs to read answers and errors; pure functions."""

from ._error_classes import kind_of
from ._error_signs import is_error, says_failed
from ._error_words import text_of
from ._framing import Opening, is_body, last_events
from ._openai_errors import error_in_answer
from ._openai_info import carries_token
from ._swapped import answer_of_stream, stream_of_answer

__all__ = [
    "Opening",
    "answer_of_stream",
    "carries_token",
    "error_in_answer",
    "is_body",
    "is_error",
    "kind_of",
    "last_events",
    "says_failed",
    "stream_of_answer",
    "text_of",
]
