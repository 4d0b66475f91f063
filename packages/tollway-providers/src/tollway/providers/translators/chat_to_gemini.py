"""OpenAI's chat as Gemini's `generateContent`: the request, the whole answer, the stream."""

from tollway.providers._gemini_answer import GeminiStream, answer_of
from tollway.providers._gemini_request import body_of

__all__ = ["GeminiStream", "answer_of", "body_of"]
